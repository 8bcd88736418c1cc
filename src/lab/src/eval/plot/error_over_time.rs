//! Hidden-joint error over time, one line for each arm, phase after phase.

use plotters::style::{Color, RGBColor};

use super::axis::Axis;
use super::palette::{GREY, INK, PALE};
use super::picture::{Anchor, Picture, Point, Stroke};
use thalweg_task::{mean, percentile};

const WIDTH: u32 = 1600;
const HEIGHT: u32 = 860;
/// Left and right end of both panels.
const LEFT: f64 = 100.0;
const RIGHT: f64 = 1570.0;
/// Top and bottom of the panel of errors, and of the panel of losses.
const ERRORS: [f64; 2] = [130.0, 560.0];
const LOSSES: [f64; 2] = [630.0, 780.0];
/// Time over which the strong line averages, seconds: a guess at what the eye wants.
const SMOOTHING: f64 = 0.5;

/// What one arm did in one phase, frame by frame.
#[derive(Clone, Debug, Default)]
pub struct ErrorSeries {
    /// Mean error of the hidden joints of the best hypothesis, degrees.
    pub hidden_deg: Vec<f64>,
    /// Loss of the best hypothesis, on what was visible.
    pub loss: Vec<f64>,
}

/// A stretch of time in which the same joints were hidden.
#[derive(Clone, Debug)]
pub struct ErrorPhase {
    /// What was hidden, for people.
    pub title: String,
    /// One series for each arm, all of the same length.
    pub arms: Vec<ErrorSeries>,
}

/// Errors of some arms over the phases of a motion.
#[derive(Clone, Debug)]
pub struct ErrorOverTime {
    /// Heading.
    pub title: String,
    /// Name and colour of each arm.
    pub arms: Vec<(String, RGBColor)>,
    /// The phases, in their order in time.
    pub phases: Vec<ErrorPhase>,
    /// Frames a second.
    pub fps: f64,
    /// What the panels show.
    pub labels: [&'static str; 2],
}

impl ErrorOverTime {
    /// Draws two panels above each other: errors, and losses on a logarithmic axis.
    #[must_use]
    pub fn draw(&self) -> Picture {
        let mut picture = Picture::new(WIDTH, HEIGHT);
        let time = Axis::linear([0.0, self.seconds()], [LEFT, RIGHT]);
        let high = 1.05 * self.greatest(|series| &series.hidden_deg);
        let errors = Axis::linear([0.0, if high > 0.0 { high } else { 1.0 }], [ERRORS[1], ERRORS[0]]);
        let low = percentile(&self.all_losses(), 0.01).unwrap_or(1e-3).max(1e-9);
        let high = self.greatest(|series| &series.loss).max(low);
        let losses = Axis::logarithmic([low, high], [LOSSES[1], LOSSES[0]]);
        self.draw_phases(&mut picture, &time);
        draw_scale(&mut picture, &errors, self.labels[0], ERRORS, 5.0);
        draw_scale(&mut picture, &losses, self.labels[1], LOSSES, 3.0);
        self.draw_time(&mut picture, &time);
        self.draw_series(&mut picture, &time, &errors, |series| &series.hidden_deg);
        self.draw_series(&mut picture, &time, &losses, |series| &series.loss);
        self.draw_means(&mut picture, &time, &errors);
        self.draw_legend(&mut picture);
        picture
    }

    fn frames(phase: &ErrorPhase) -> usize {
        phase.arms.first().map_or(0, |series| series.hidden_deg.len())
    }

    fn seconds(&self) -> f64 {
        (self.phases.iter().map(Self::frames).sum::<usize>().max(1)) as f64 / self.fps
    }

    /// Phases with the times at which they begin and end, seconds.
    fn timed(&self) -> impl Iterator<Item = (&ErrorPhase, f64, f64)> {
        self.phases.iter().scan(0.0, |start, phase| {
            let from = *start;
            *start += Self::frames(phase) as f64 / self.fps;
            Some((phase, from, *start))
        })
    }

    fn greatest(&self, of: impl Fn(&ErrorSeries) -> &Vec<f64>) -> f64 {
        let series = self.phases.iter().flat_map(|phase| &phase.arms);
        series.flat_map(|series| of(series).iter().copied()).fold(0.0, f64::max)
    }

    fn all_losses(&self) -> Vec<f64> {
        self.phases.iter().flat_map(|phase| &phase.arms).flat_map(|series| series.loss.clone()).collect()
    }

    /// Shades every other phase and names each.
    fn draw_phases(&self, picture: &mut Picture, time: &Axis) {
        for (index, (phase, from, to)) in self.timed().enumerate() {
            let (left, right) = (time.place(from), time.place(to));
            let shade = PALE.mix(if index % 2 == 0 { 0.18 } else { 0.42 });
            for panel in [ERRORS, LOSSES] {
                picture.rectangle([(left, panel[0]), (right, panel[1])], shade);
            }
            picture.text((left + 14.0, ERRORS[0] - 16.0), phase.title.as_str(), 19.0, INK, Anchor::Left);
        }
    }

    fn draw_time(&self, picture: &mut Picture, time: &Axis) {
        for (value, label) in time.ticks(12.0) {
            let x = time.place(value);
            for panel in [ERRORS, LOSSES] {
                picture.line(vec![(x, panel[1]), (x, panel[1] + 6.0)], Stroke::new(GREY, 1.0));
            }
            picture.text((x, LOSSES[1] + 20.0), label, 17.0, INK, Anchor::Middle);
        }
        picture.text(((LEFT + RIGHT) / 2.0, LOSSES[1] + 50.0), "time, seconds", 18.0, INK, Anchor::Middle);
    }

    /// Draws each frame faintly and a moving average strongly.
    fn draw_series(&self, picture: &mut Picture, time: &Axis, axis: &Axis, of: fn(&ErrorSeries) -> &Vec<f64>) {
        let reach = (0.5 * SMOOTHING * self.fps).round() as usize;
        for is_smooth in [false, true] {
            for (phase, from, _) in self.timed() {
                for (series, (_, color)) in phase.arms.iter().zip(&self.arms).rev() {
                    let values = if is_smooth { smoothed(of(series), reach) } else { of(series).clone() };
                    let at = |(frame, value): (usize, &f64)| -> Point {
                        (time.place(from + frame as f64 / self.fps), axis.place(*value))
                    };
                    let stroke = if is_smooth { Stroke::new(*color, 3.0) } else { Stroke::new(color.mix(0.35), 1.0) };
                    picture.line(values.iter().enumerate().map(at).collect(), stroke);
                }
            }
        }
    }

    /// Draws the mean of each arm in each phase as a dashed line; its value stands above the panel.
    fn draw_means(&self, picture: &mut Picture, time: &Axis, axis: &Axis) {
        for (phase, from, to) in self.timed() {
            let (left, right) = (time.place(from), time.place(to));
            let mut end = right - 14.0;
            for (series, (_, color)) in phase.arms.iter().zip(&self.arms).rev() {
                let Some(value) = mean(&series.hidden_deg) else { continue };
                let y = axis.place(value);
                picture.dashes((left, y), (right, y), Stroke::new(*color, 1.5));
                picture.text((end, ERRORS[0] - 16.0), format!("{value:.1}°"), 19.0, *color, Anchor::Right);
                end -= 70.0;
            }
            picture.text((end, ERRORS[0] - 16.0), "mean", 19.0, GREY, Anchor::Right);
        }
    }

    fn draw_legend(&self, picture: &mut Picture) {
        picture.text((LEFT, 32.0), self.title.as_str(), 24.0, INK, Anchor::Left);
        let mut x = LEFT;
        for (name, color) in &self.arms {
            picture.line(vec![(x, 72.0), (x + 40.0, 72.0)], Stroke::new(*color, 4.0));
            picture.text((x + 50.0, 72.0), name.as_str(), 18.0, INK, Anchor::Left);
            x += 80.0 + 10.5 * name.chars().count() as f64;
        }
        let note = format!("thin: each frame; thick: mean over {SMOOTHING} s; dashed: mean of the phase");
        picture.text((RIGHT, 32.0), note, 16.0, GREY, Anchor::Right);
    }
}

fn draw_scale(picture: &mut Picture, axis: &Axis, title: &str, panel: [f64; 2], count: f64) {
    for (value, label) in axis.ticks(count) {
        let y = axis.place(value);
        picture.line(vec![(LEFT, y), (RIGHT, y)], Stroke::new(PALE, 1.0));
        picture.text((LEFT - 10.0, y), label, 17.0, INK, Anchor::Right);
    }
    picture.text((26.0, (panel[0] + panel[1]) / 2.0), title, 18.0, INK, Anchor::Upward);
}

/// Averages each value with those up to `reach` places away.
fn smoothed(values: &[f64], reach: usize) -> Vec<f64> {
    let window = |at: usize| &values[at.saturating_sub(reach)..(at + reach + 1).min(values.len())];
    (0..values.len()).filter_map(|at| mean(window(at))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_shrinks_its_window_at_the_ends() {
        assert_eq!(smoothed(&[0.0, 3.0, 6.0, 9.0], 1), [1.5, 3.0, 6.0, 7.5]);
        assert_eq!(smoothed(&[1.0, 2.0], 0), [1.0, 2.0]);
    }
}
