//! Along one axis of an image, which source pixels make a target pixel.

use std::ops::Range;

/// The source pixels of one target pixel and how much each counts.
#[derive(Clone, Copy, Debug)]
enum Reach {
    /// Coverage of `low..high`, in source pixels: averages an area.
    Area { low: f64, high: f64 },
    /// Distance from a point, in source pixels: interpolates linearly.
    Point(f64),
}

/// One target pixel along one axis.
#[derive(Clone, Debug)]
pub(super) struct Span {
    /// The source pixels that count; never empty, within the source.
    pub(super) pixels: Range<usize>,
    reach: Reach,
}

impl Span {
    /// Finds the span of target pixel `place` when `source` pixels become `target` pixels.
    ///
    /// Averages areas where there are more source pixels than target pixels, else interpolates
    /// between centres. `source` and `target` are not zero, `place < target`.
    pub(super) fn new(source: usize, target: usize, place: usize) -> Self {
        let ratio = source as f64 / target as f64;
        if source < target {
            let centre = ((place as f64 + 0.5) * ratio - 0.5).clamp(0.0, (source - 1) as f64);
            let start = centre.floor() as usize;
            return Self { pixels: start..(start + 2).min(source), reach: Reach::Point(centre) };
        }
        let (low, high) = (place as f64 * ratio, (place + 1) as f64 * ratio);
        let start = (low.floor() as usize).min(source - 1);
        let end = (high.ceil() as usize).clamp(start + 1, source);
        Self { pixels: start..end, reach: Reach::Area { low, high } }
    }

    /// How much a source pixel counts, not negative.
    pub(super) fn weight(&self, pixel: usize) -> f32 {
        let pixel = pixel as f64;
        let weight = match self.reach {
            Reach::Area { low, high } => high.min(pixel + 1.0) - low.max(pixel),
            Reach::Point(centre) => 1.0 - (centre - pixel).abs(),
        };
        weight.max(0.0) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_cover_every_source_pixel_equally_when_areas_are_averaged() {
        for (source, target) in [(1, 1), (7, 7), (7, 3), (64, 48), (640, 64), (5, 4)] {
            let mut covered = vec![0.0; source];
            for place in 0..target {
                let span = Span::new(source, target, place);
                for pixel in span.pixels.clone() {
                    covered[pixel] += span.weight(pixel);
                }
            }
            assert!(covered.iter().all(|weight| (weight - 1.0).abs() < 1e-4), "{source} -> {target}: {covered:?}");
        }
    }

    #[test]
    fn weights_sum_to_one_when_interpolated() {
        for (source, target) in [(1, 5), (2, 3), (3, 7), (48, 64)] {
            for place in 0..target {
                let span = Span::new(source, target, place);
                let sum: f32 = span.pixels.clone().map(|pixel| span.weight(pixel)).sum();
                assert!((sum - 1.0).abs() < 1e-5, "{source} -> {target} at {place}: {sum}");
            }
        }
    }
}
