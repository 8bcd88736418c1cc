//! From the pixels of a source to those of a target: areas are averaged, and only what was seen counts.
//!
//! A band of source rows is summed column by column before columns are joined: the inner loop runs along a row of
//! bytes, and the compiler makes vectors of it.

use std::ops::Range;

use pulp::Arch;

use super::encoding::{Colours, Encoding, Sample, read_f32, read_u16};
use super::mask::{ColourKey, MaskRows};
use super::raster::Raster;
use super::resize::Span;
use super::store::develop;

/// Share of a target pixel that must have been seen for it to be observed.
///
/// Half: a source pixel that was not seen hides the target pixels it mostly covers, no others.
const LEAST_SEEN: f32 = 0.5;

/// Shares of red, green and blue in gray (ITU-R BT.601, as OpenCV converts).
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// What of a source is read, and what of that was seen.
#[derive(Debug)]
pub(super) struct Sight<'a> {
    pub(super) raster: &'a Raster<'a>,
    pub(super) rows: Range<usize>,
    pub(super) columns: Range<usize>,
    /// Whether the alpha channel, where there is one, says how much of a pixel was seen.
    pub(super) alpha: bool,
    pub(super) key: Option<ColourKey>,
    pub(super) mask: Option<MaskRows<'a>>,
}

/// Pixels `[C, H, W]`, NaN where unobserved, and the first value that was no brightness.
pub(super) type Averaged = (Vec<f32>, Option<f32>);

impl Sight<'_> {
    /// Brings what is seen to `[channels, height, width]`, none of them zero, one or three channels.
    pub(super) fn average(&self, [channels, height, width]: [usize; 3]) -> Averaged {
        let columns: Vec<_> = (0..width).map(|place| Column::new(self.columns.len(), width, place)).collect();
        let mut values = vec![f32::NAN; channels * height * width];
        let mut band = Band::new(self);
        for row in 0..height {
            band.clear();
            let span = Span::new(self.rows.len(), height, row);
            for source in span.pixels.clone() {
                band.add(self.rows.start + source, span.weight(source));
            }
            for (place, column) in columns.iter().enumerate() {
                let means = band.means(column, channels);
                for (channel, mean) in means.iter().enumerate().take(channels) {
                    values[(channel * height + row) * width + place] = *mean;
                }
            }
        }
        (values, band.outside)
    }

    fn encoding(&self) -> Encoding {
        self.raster.encoding
    }

    /// The place of the alpha sample where it counts.
    fn alpha(&self) -> Option<usize> {
        self.encoding().alpha.filter(|_| self.alpha)
    }

    /// Whether anything can be unobserved.
    fn is_partial(&self) -> bool {
        let is_float = self.encoding().sample == Sample::F32;
        is_float || self.alpha().is_some() || self.key.is_some() || self.mask.is_some()
    }
}

/// The source columns of one target column.
struct Column {
    pixels: Range<usize>,
    /// How much each counts.
    weights: Vec<f32>,
}

impl Column {
    fn new(source: usize, target: usize, place: usize) -> Self {
        let span = Span::new(source, target, place);
        let weights = span.pixels.clone().map(|pixel| span.weight(pixel)).collect();
        Self { pixels: span.pixels, weights }
    }
}

/// Source rows, summed by their weights.
struct Band<'a> {
    sight: &'a Sight<'a>,
    arch: Arch,
    /// By column of the source; all samples of a pixel, or its colours where some may be unobserved.
    values: Vec<f32>,
    /// Weight of what was seen, one for each of `values`; empty where everything was.
    seen: Vec<f32>,
    /// Numbers from one column to the next.
    stride: usize,
    /// Where the colours of a column are: one or three.
    places: [usize; 3],
    weight: f32,
    /// Share of each pixel of one row that was seen.
    shares: Vec<f32>,
    outside: Option<f32>,
    /// One row of pixels that are not stored as they are read.
    developed: Vec<u8>,
}

impl<'a> Band<'a> {
    fn new(sight: &'a Sight<'a>) -> Self {
        let (encoding, width) = (sight.encoding(), sight.columns.len());
        let colours = match encoding.colours {
            Colours::Gray => [0; 3],
            Colours::Rgb(places) => places,
        };
        let count = if encoding.colours == Colours::Gray { 1 } else { 3 };
        let is_partial = sight.is_partial();
        let (stride, places) = match (is_partial, count) {
            (false, _) => (encoding.samples, colours),
            (true, 1) => (1, [0; 3]),
            (true, _) => (3, [0, 1, 2]),
        };
        let seen = vec![0.0; if is_partial { width * stride } else { 0 }];
        let shares = vec![1.0; if is_partial { width } else { 0 }];
        let (arch, values) = (Arch::new(), vec![0.0; width * stride]);
        Self { sight, arch, values, seen, stride, places, weight: 0.0, shares, outside: None, developed: Vec::new() }
    }

    fn clear(&mut self) {
        self.values.fill(0.0);
        self.seen.fill(0.0);
        self.weight = 0.0;
    }

    /// Adds one row of the source.
    fn add(&mut self, row: usize, weight: f32) {
        let Sight { raster, columns, .. } = self.sight;
        let mut developed = std::mem::take(&mut self.developed);
        let bytes = develop(raster, row, [columns.start, columns.len()], &mut developed);
        let is_bigendian = raster.is_bigendian;
        self.weight += weight;
        match (raster.encoding.sample, self.seen.is_empty()) {
            (Sample::U8, true) => {
                let values = &mut self.values;
                self.arch.dispatch(|| add_whole(values, bytes.iter().map(|byte| f32::from(*byte)), weight));
            }
            (Sample::U16, true) => {
                let (values, pairs) = (&mut self.values, bytes.as_chunks().0.iter());
                self.arch.dispatch(|| add_whole(values, pairs.map(|pair| read_u16(*pair, is_bigendian)), weight));
            }
            (Sample::U8, false) => self.add_partial(row, bytes, weight, |[byte]: [u8; 1]| f32::from(byte)),
            (Sample::U16, false) => self.add_partial(row, bytes, weight, |pair| read_u16(pair, is_bigendian)),
            (Sample::F32, _) => {
                let mut outside = self.outside.take();
                self.add_partial(row, bytes, weight, |four| read_f32(four, is_bigendian, &mut outside));
                self.outside = outside;
            }
        }
        self.developed = developed;
    }

    fn add_partial<const S: usize>(&mut self, row: usize, bytes: &[u8], weight: f32, read: impl FnMut([u8; S]) -> f32) {
        match &self.sight.mask {
            Some(mask) => mask.read(row, &mut self.shares),
            None => self.shares.fill(1.0),
        }
        match self.sight.encoding().colours {
            Colours::Gray => self.add_colours(bytes, weight, [0], read),
            Colours::Rgb(places) => self.add_colours(bytes, weight, places, read),
        }
    }

    /// Adds what was seen of a row: `read` reads a sample of S bytes, `places` are the N colours of a pixel.
    fn add_colours<const S: usize, const N: usize>(
        &mut self,
        bytes: &[u8],
        weight: f32,
        places: [usize; N],
        mut read: impl FnMut([u8; S]) -> f32,
    ) {
        let encoding = self.sight.encoding();
        let white = encoding.sample.white();
        let bounds = self.sight.key.map(|key| key.bounds(white));
        let alpha = self.sight.alpha();
        let (values, seen) = (self.values.as_chunks_mut::<N>().0, self.seen.as_chunks_mut::<N>().0);
        let pixels = bytes.chunks_exact(encoding.bytes()).zip(&self.shares);
        for ((values, seen), (pixel, &share)) in values.iter_mut().zip(seen).zip(pixels) {
            let samples = pixel.as_chunks::<S>().0;
            let colours = places.map(|place| read(samples[place]));
            let mut share = weight * share;
            if let Some(place) = alpha {
                share *= read(samples[place]) / white;
            }
            if bounds.is_some_and(|bounds| is_key(&colours, &bounds)) {
                share = 0.0;
            }
            for channel in 0..N {
                if !colours[channel].is_nan() {
                    values[channel] += share * colours[channel];
                    seen[channel] += share;
                }
            }
        }
    }

    /// The means of one (gray) or three target channels over some columns; NaN where too little was seen.
    fn means(&self, column: &Column, channels: usize) -> [f32; 3] {
        match self.sight.encoding().colours {
            Colours::Gray => [self.mean(column, self.places[0]); 3],
            Colours::Rgb(_) => {
                let [red, green, blue] = self.places.map(|place| self.mean(column, place));
                // Unobserved where one of them is.
                let gray = (red * LUMA[0] + green * LUMA[1] + blue * LUMA[2]).clamp(0.0, 1.0);
                if channels == 1 { [gray; 3] } else { [red, green, blue] }
            }
        }
    }

    fn mean(&self, column: &Column, place: usize) -> f32 {
        let (mut value, mut seen, mut whole) = (0.0, 0.0, 0.0);
        for (pixel, weight) in column.pixels.clone().zip(&column.weights) {
            let place = pixel * self.stride + place;
            value += weight * self.values[place];
            seen += weight * self.seen.get(place).copied().unwrap_or(self.weight);
            whole += weight * self.weight;
        }
        let is_enough = seen > 0.0 && seen >= LEAST_SEEN * whole * (1.0 - 1e-5);
        if is_enough { (value / (seen * self.sight.encoding().sample.white())).clamp(0.0, 1.0) } else { f32::NAN }
    }
}

/// Whether a pixel has the key's colour; gray stands for three equal colours.
fn is_key(colours: &[f32], bounds: &[[f32; 2]; 3]) -> bool {
    let last = colours.len() - 1;
    bounds.iter().enumerate().all(|(channel, [low, high])| {
        let colour = colours[channel.min(last)];
        *low <= colour && colour <= *high
    })
}

/// The inner loop where everything was seen; inlined, so that it is compiled for the processor it runs on.
#[inline(always)]
fn add_whole(sums: &mut [f32], samples: impl Iterator<Item = f32>, weight: f32) {
    for (sum, sample) in sums.iter_mut().zip(samples) {
        *sum += weight * sample;
    }
}
