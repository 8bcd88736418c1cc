//! The live view: a block that is redrawn on a terminal, a line for each second elsewhere.

use std::io::{IsTerminal, Stdout, Write, stdout};

use thalweg_task::{mean, percentile};

use super::measurement::Measurement;
use super::player::Moment;

/// Characters of a sparkline; each is the mean error of some frames.
const SPARKS: usize = 40;
/// Error at which a sparkline is full, degrees: a guess.
const FULL_DEG: f64 = 40.0;

/// Shows what happens.
pub(super) struct Screen {
    output: Stdout,
    names: Vec<&'static str>,
    /// Measurements of the present phase, arm by arm.
    measured: Vec<Vec<Measurement>>,
    frames: i64,
    fps: f64,
    limit_ms: f64,
    /// Lines that are to be redrawn.
    drawn: usize,
    late: usize,
}

impl Screen {
    pub(super) fn new(names: Vec<&'static str>, frames: i64, fps: f64, limit_ms: f64) -> Self {
        let measured = vec![Vec::new(); names.len()];
        Self { output: stdout(), names, measured, frames, fps, limit_ms, drawn: 0, late: 0 }
    }

    /// Frames that began late.
    pub(super) fn late(&self) -> usize {
        self.late
    }

    pub(super) fn show(&mut self, moment: &Moment<'_>) -> anyhow::Result<()> {
        self.late += usize::from(moment.is_late);
        self.measured.iter_mut().zip(moment.measurements).for_each(|(all, one)| all.push(one.clone()));
        if self.output.is_terminal() {
            return self.redraw(moment);
        }
        let every = (self.fps.round() as i64).max(1);
        if (moment.index + 1) % every == 0 || moment.index + 1 == self.frames {
            return self.print_line(moment);
        }
        Ok(())
    }

    /// Leaves the block as it is; the next phase draws its own.
    pub(super) fn end_phase(&mut self) -> anyhow::Result<()> {
        self.drawn = 0;
        self.measured.iter_mut().for_each(Vec::clear);
        Ok(self.output.flush()?)
    }

    fn redraw(&mut self, moment: &Moment<'_>) -> anyhow::Result<()> {
        let mut lines = vec![format!(
            "{} hidden   frame {}/{}   {:.1} s   over: later than {} ms",
            moment.phase.group,
            moment.index + 1,
            self.frames,
            moment.index as f64 / self.fps,
            self.limit_ms
        )];
        lines.push("            loss    hidden error    steps  solve p50/p99 ms  over  hidden error so far".to_owned());
        lines.extend((0..self.names.len()).map(|arm| self.row(arm)));
        // A line that wraps would be redrawn in the wrong place: long lines are cut at the edge.
        let mut text = String::from("\x1b[?7l");
        if self.drawn > 0 {
            text.push_str(&format!("\x1b[{}A", self.drawn));
        }
        lines.iter().for_each(|line| text.push_str(&format!("\r\x1b[2K{line}\n")));
        text.push_str("\x1b[?7h");
        self.drawn = lines.len();
        self.output.write_all(text.as_bytes())?;
        Ok(self.output.flush()?)
    }

    fn row(&self, arm: usize) -> String {
        let Some(now) = self.measured[arm].last() else { return self.names[arm].to_owned() };
        let time = self.times(arm);
        let at = |share| percentile(&time, share).unwrap_or(0.0);
        format!(
            "{:<10} {:>7.4}  {:>5.1}° {:>4.0} mm  {:>5}    {:>6.2} / {:>5.2}  {:>4}  {}",
            self.names[arm],
            now.loss,
            now.hidden_deg(),
            now.hidden_mm(),
            now.steps,
            at(0.5),
            at(0.99),
            time.iter().filter(|time| **time > self.limit_ms).count(),
            self.sparkline(arm)
        )
    }

    fn times(&self, arm: usize) -> Vec<f64> {
        self.measured[arm].iter().map(|measurement| measurement.solve_ms).collect()
    }

    fn sparkline(&self, arm: usize) -> String {
        let share = (self.frames as usize).div_ceil(SPARKS).max(1);
        let errors: Vec<f64> = self.measured[arm].iter().map(Measurement::hidden_deg).collect();
        errors.chunks(share).filter_map(mean).map(spark).collect()
    }

    fn print_line(&mut self, moment: &Moment<'_>) -> anyhow::Result<()> {
        let arm = |(name, now): (&&str, &Measurement)| {
            let (deg, mm) = (now.hidden_deg(), now.hidden_mm());
            format!("{name}: loss {:.4}, hidden {deg:.1} deg {mm:.0} mm, {:.1} ms", now.loss, now.solve_ms)
        };
        let arms: Vec<_> = self.names.iter().zip(moment.measurements).map(arm).collect();
        let frame = moment.index + 1;
        Ok(writeln!(self.output, "{} hidden, frame {frame}/{}: {}", moment.phase.group, self.frames, arms.join("; "))?)
    }
}

fn spark(error_deg: f64) -> char {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let level = (error_deg / FULL_DEG * LEVELS.len() as f64) as usize;
    LEVELS[level.min(LEVELS.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::spark;

    #[test]
    fn sparks_rise_with_the_error_and_stop_at_the_top() {
        assert_eq!([0.0, 4.9, 5.1, 39.0, 400.0].map(spark), ['▁', '▁', '▂', '█', '█']);
    }
}
