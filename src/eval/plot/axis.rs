//! One axis of a plot: where values lie, and where ticks stand.

/// A map from values to units of a picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    /// Values at the two ends.
    values: [f64; 2],
    /// Places of the two ends.
    places: [f64; 2],
    is_logarithmic: bool,
}

impl Axis {
    pub(super) fn linear(values: [f64; 2], places: [f64; 2]) -> Self {
        Self { values, places, is_logarithmic: false }
    }

    /// Values must be above zero; they are widened to whole decades.
    pub(super) fn logarithmic([low, high]: [f64; 2], places: [f64; 2]) -> Self {
        let low = low.log10().floor();
        let high = high.log10().ceil().max(low + 1.0);
        Self { values: [low, high], places, is_logarithmic: true }
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
    fn places_run_from_end_to_end() {
        let axis = Axis::linear([0.0, 10.0], [100.0, 50.0]);
        assert_eq!([0.0, 5.0, 10.0, 20.0].map(|value| axis.place(value)), [100.0, 75.0, 50.0, 50.0]);
        let decades = Axis::logarithmic([0.01, 100.0], [0.0, 4.0]);
        assert!((decades.place(1.0) - 2.0).abs() < 1e-12);
        assert_eq!(decades.place(0.0), 0.0);
    }
}
