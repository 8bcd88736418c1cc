//! One axis of a plot: where values lie, and where ticks stand.

/// A map from values to units of a picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    /// Values at the two ends.
    values: [f64; 2],
    /// Places of the two ends.
    places: [f64; 2],
    is_logarithmic: bool,
    /// Whether ticks of a logarithmic axis stand at 1, 2 and 5 of each decade.
    is_tight: bool,
}

impl Axis {
    pub(super) fn linear(values: [f64; 2], places: [f64; 2]) -> Self {
        Self { values, places, is_logarithmic: false, is_tight: false }
    }

    /// Values must be above zero; they are widened to whole decades.
    pub(super) fn logarithmic([low, high]: [f64; 2], places: [f64; 2]) -> Self {
        let low = low.log10().floor();
        let high = high.log10().ceil().max(low + 1.0);
        Self { values: [low, high], places, is_logarithmic: true, is_tight: false }
    }

    /// Values must be above zero; the axis ends with them, or spans a tenth around a single one.
    pub(super) fn tight_logarithmic([low, high]: [f64; 2], places: [f64; 2]) -> Self {
        let (low, high) = if high > low { (low, high) } else { (0.9 * low, 1.1 * low) };
        Self { values: [low.log10(), high.log10()], places, is_logarithmic: true, is_tight: true }
    }

    /// The place of a value; outside the axis the nearer end.
    pub(super) fn place(&self, value: f64) -> f64 {
        let [low, high] = self.values;
        let value = if self.is_logarithmic { value.max(f64::MIN_POSITIVE).log10() } else { value };
        let share = ((value - low) / (high - low)).clamp(0.0, 1.0);
        self.places[0] + share * (self.places[1] - self.places[0])
    }

    /// Values at which ticks stand, about `count` of them, with their labels.
    pub(super) fn ticks(&self, count: f64) -> Vec<(f64, String)> {
        let [low, high] = self.values;
        if self.is_tight {
            return tight_ticks(low, high, count);
        }
        let step = if self.is_logarithmic { ((high - low) / count).ceil() } else { round_step((high - low) / count) };
        let first = (low / step).ceil() as i64;
        let last = (high / step + 1e-9).floor() as i64;
        let tick = |index: i64| {
            let at = index as f64 * step;
            let value = if self.is_logarithmic { 10f64.powf(at) } else { at };
            (value, label(value))
        };
        (first..=last).map(tick).collect()
    }
}

/// Decades below which ticks of a logarithmic axis stand in equal steps: 1, 2 and 5 would be one or two.
const NARROW: f64 = 0.7;

/// Ticks at whole decades, and at 2 and 5 times them where there is room for so many.
fn tight_ticks(low: f64, high: f64, count: f64) -> Vec<(f64, String)> {
    if high - low < NARROW {
        return Axis::linear([low, high].map(|end| 10f64.powf(end)), [0.0, 1.0]).ticks(count);
    }
    let factors: &[f64] = if high - low > count / 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let decades = low.floor() as i32..=high.ceil() as i32;
    let all = decades.flat_map(|decade| factors.iter().map(move |factor| factor * 10f64.powi(decade)));
    let inside = all.filter(|value| (low - 1e-9..=high + 1e-9).contains(&value.log10()));
    inside.map(|value| (value, label(value))).collect()
}

/// The least of 1, 2, 5 times a power of ten that is not below `step`.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let round = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= step * (1.0 - 1e-9));
    round.unwrap_or(10.0) * power
}

fn label(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-3 {
        return format!("{value:e}");
    }
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        let labels = |axis: Axis, count| axis.ticks(count).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(labels(Axis::linear([0.0, 33.0], [0.0, 1.0]), 4.0), ["0", "10", "20", "30"]);
        assert_eq!(labels(Axis::linear([0.0, 0.4], [0.0, 1.0]), 4.0), ["0", "0.1", "0.2", "0.3", "0.4"]);
        assert_eq!(labels(Axis::logarithmic([0.02, 3.0], [0.0, 1.0]), 3.0), ["0.01", "0.1", "1", "10"]);
        assert_eq!(
            labels(Axis::logarithmic([1e-5, 0.5], [0.0, 1.0]), 5.0),
            ["1e-5", "1e-4", "0.001", "0.01", "0.1", "1"]
        );
    }

    #[test]
    fn a_tight_axis_ends_with_its_values() {
        let axis = Axis::tight_logarithmic([0.5, 20.0], [0.0, 1.0]);
        let labels: Vec<_> = axis.ticks(7.0).into_iter().map(|(_, text)| text).collect();
        assert_eq!(labels, ["0.5", "1", "2", "5", "10", "20"]);
        assert_eq!((axis.place(0.5), axis.place(20.0)), (0.0, 1.0));
        let wide: Vec<_> =
            Axis::tight_logarithmic([1e-3, 10.0], [0.0, 1.0]).ticks(7.0).into_iter().map(|(_, text)| text).collect();
        assert_eq!(wide, ["0.001", "0.01", "0.1", "1", "10"]);
        let narrow: Vec<_> =
            Axis::tight_logarithmic([1.7, 3.6], [0.0, 1.0]).ticks(5.0).into_iter().map(|(_, text)| text).collect();
        assert_eq!(narrow, ["2", "2.5", "3", "3.5"]);
    }

    #[test]
    fn places_run_from_end_to_end() {
        let axis = Axis::linear([0.0, 10.0], [100.0, 50.0]);
        assert_eq!([0.0, 5.0, 10.0, 20.0].map(|value| axis.place(value)), [100.0, 75.0, 50.0, 50.0]);
        let decades = Axis::logarithmic([0.01, 100.0], [0.0, 4.0]);
        assert!((decades.place(1.0) - 2.0).abs() < 1e-12);
        assert_eq!(decades.place(0.0), 0.0);
    }
}
