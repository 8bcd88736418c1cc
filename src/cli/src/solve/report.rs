//! What is printed.

use std::fmt::Write;

use thalweg_engine::{Statistics, StopReason};
use thalweg_task::{Pixels, TaskSpec};

use super::answer::Answer;
use super::problem::Problem;
use super::search::{SearchOptions, deadline_words};
use super::values::{Scalar, joints, point_error, points};

/// Most hypotheses that are listed; the file has all.
const MOST_LISTED: usize = 16;

/// Everything that the text is about.
pub(super) struct Report<'a> {
    /// The task.
    pub(super) spec: &'a TaskSpec,
    /// What was to be explained.
    pub(super) problem: &'a Problem,
    /// What was found.
    pub(super) answer: &'a Answer,
    /// Whether to list what was seen, too.
    pub(super) all: bool,
}

impl Report<'_> {
    /// Writes the whole report.
    pub(super) fn text(&self, [landscape, start]: &[String; 2], search: &SearchOptions) -> anyhow::Result<String> {
        let mut text = String::new();
        let obs = &self.problem.obs;
        let kind = |(kind, field): (_, &thalweg_task::Masked)| {
            format!("{} of {} values of {kind}", field.count(), field.value().numel())
        };
        let seen = obs.fields().map(kind).collect::<Vec<_>>().join(", ");
        writeln!(text, "task       {}", self.spec.name)?;
        writeln!(text, "observed   {seen} ({})", self.problem.from)?;
        writeln!(text, "landscape  {landscape}")?;
        writeln!(text, "start      {start}")?;
        writeln!(text, "search     {}", search.words(self.answer))?;
        if let Some(trouble) = &self.answer.gpu_trouble {
            writeln!(text, "device     without a GPU: {trouble}")?;
        }
        if let Some(trial) = &self.answer.gpu_trial {
            writeln!(text, "device     auto: {trial}")?;
        }
        let Statistics { steps, evaluations, diverged } = self.answer.found.statistics;
        let millis = self.answer.found.took.as_secs_f64() * 1e3;
        let limit = deadline_words(&self.answer.budget);
        writeln!(text, "solved     {steps} steps, {evaluations} evaluations in {millis:.2} ms{limit}")?;
        let stop = self.answer.found.stop.map_or("-", StopReason::name);
        writeln!(text, "stopped    by {stop}; {diverged} diverged\n")?;
        self.write_hypotheses(&mut text)?;
        self.write_best(&mut text)?;
        Ok(text)
    }

    fn write_hypotheses(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "rank          loss   weight")?;
        let rows = self.answer.found.losses.iter().zip(&self.answer.found.weights).enumerate();
        for (row, (loss, weight)) in rows.take(MOST_LISTED) {
            writeln!(text, "{:>4}  {:>12}  {weight:>7.4}", row + 1, number(*loss))?;
        }
        match self.answer.found.losses.len().saturating_sub(MOST_LISTED) {
            0 => Ok(()),
            more => writeln!(text, " ...  {more} more; --output writes all"),
        }
    }

    fn write_best(&self, text: &mut String) -> anyhow::Result<()> {
        let scalars: Vec<Scalar> = joints(self.spec, self.problem, self.answer)
            .into_iter()
            .chain(points(self.spec, self.problem, self.answer))
            .collect();
        let listed: Vec<&Scalar> = scalars.iter().filter(|scalar| self.all || scalar.seen.is_none()).collect();
        if !listed.is_empty() {
            let what = if self.all { "" } else { "what was not seen; --all lists the rest, too" };
            writeln!(text, "\nbest hypothesis{}{what}", if self.all { "" } else { ", " })?;
            write_table(text, &listed)?;
        }
        write_errors(text, &scalars)?;
        if let Some(metres) = point_error(self.problem, self.answer) {
            writeln!(text, "points     mean distance from the truth {:.1} mm", metres * 1e3)?;
        }
        if let Some(Pixels { channels, height, width, .. }) = self.answer.found.images.first().map(AsRef::as_ref) {
            writeln!(text, "image      {height} x {width}, {channels} channel(s); --output writes it")?;
        }
        Ok(())
    }
}

/// Writes a number of any size in few characters.
fn number(value: f64) -> String {
    let plain = value == 0.0 || (1e-3..1e5).contains(&value.abs());
    if plain { format!("{value:.4}") } else { format!("{value:.3e}") }
}

fn write_table(text: &mut String, listed: &[&Scalar]) -> std::fmt::Result {
    let width = listed.iter().map(|scalar| scalar.name.len()).max().unwrap_or(0);
    for Scalar { name, unit, value, seen, truth } in listed {
        write!(text, "  {name:width$}  {value:>8.4} {unit}")?;
        let in_degrees = unit == "rad";
        let read = |value: f32| {
            if in_degrees { format!("{:>8.2} deg", value.to_degrees()) } else { format!("{value:>8.4} {unit}") }
        };
        if in_degrees {
            write!(text, "  {}", read(*value))?;
        }
        match (truth, seen) {
            (Some(truth), None) => writeln!(text, "  truth {}", read(*truth))?,
            (_, Some(seen)) => writeln!(text, "  seen  {}", read(*seen))?,
            (None, None) => writeln!(text)?,
        }
    }
    Ok(())
}

/// Sums up, angles and lengths apart, how well the seen was explained and the unseen guessed.
fn write_errors(text: &mut String, scalars: &[Scalar]) -> std::fmt::Result {
    let mut title = Some("\n");
    for (unit, name, scale) in [("rad", "deg", 180.0 / std::f32::consts::PI), ("m", "mm", 1e3)] {
        let of_unit = || scalars.iter().filter(move |scalar| scalar.unit == unit);
        let seen = of_unit().filter_map(|scalar| Some((scalar, scalar.distance_to(scalar.seen?)))).collect::<Vec<_>>();
        let unseen = of_unit().filter(|scalar| scalar.seen.is_none());
        let unseen = unseen.filter_map(|scalar| Some((scalar, scalar.distance_to(scalar.truth?)))).collect::<Vec<_>>();
        for (what, errors) in [("seen", seen), ("hidden", unseen)] {
            let Some((worst, greatest)) = errors.iter().max_by(|a, b| a.1.total_cmp(&b.1)) else { continue };
            let mean = errors.iter().map(|(_, error)| error).sum::<f32>() / errors.len() as f32 * scale;
            let greatest = greatest * scale;
            text.push_str(title.take().unwrap_or_default());
            writeln!(text, "{what:<9}  mean error {mean:.2} {name}, greatest {greatest:.2} {name} ({})", worst.name)?;
        }
    }
    Ok(())
}
