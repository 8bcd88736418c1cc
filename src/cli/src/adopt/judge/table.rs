//! Errors of all methods, as tables.

use std::fmt::{self, Display, Write};

use super::Method;

/// A mean that grows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    pub(super) fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn join(&mut self, other: Self) {
        self.sum += other.sum;
        self.count += other.count;
    }

    fn value(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

/// Errors of hidden joints, and of what they move.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Errors {
    /// Of joints that turn, degrees.
    pub(super) angles: Mean,
    /// Of joints that slide, mm.
    pub(super) slides: Mean,
    /// Of the places of the tips of branches, mm, seen from the root.
    pub(super) tips: Mean,
}

/// One gap, all methods.
#[derive(Clone, Debug)]
pub(super) struct Row {
    name: String,
    pub(super) methods: Vec<Method>,
    errors: Vec<Errors>,
}

impl Row {
    pub(super) fn new(name: String, methods: Vec<Method>) -> Self {
        let errors = vec![Errors::default(); methods.len()];
        Self { name, methods, errors }
    }

    pub(super) fn add(&mut self, method: Method, errors: Errors) {
        if let Some(place) = self.methods.iter().position(|known| *known == method) {
            let mine = &mut self.errors[place];
            mine.angles.join(errors.angles);
            mine.slides.join(errors.slides);
            mine.tips.join(errors.tips);
        }
    }
}

/// How good a model is.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Judgement {
    /// Single frames of held-out motion of the same kinds.
    pub(super) frames: Vec<Row>,
    /// Single frames of kinds that were held out whole.
    pub(super) others: Vec<Row>,
    /// Streams.
    pub(super) streams: Vec<Row>,
}

fn title(method: Method) -> &'static str {
    match method {
        Method::Thalweg => "thalweg",
        Method::FromZero => "LM from zero",
        Method::Gaussian => "conditional Gaussian",
        Method::Nearest => "nearest frame",
        Method::Hold => "hold-last",
        Method::Velocity => "constant velocity",
    }
}

fn cell(errors: &Errors) -> String {
    let mut parts = Vec::new();
    parts.extend(errors.angles.value().map(|value| format!("{value:.1}")));
    parts.extend(errors.slides.value().map(|value| format!("{value:.1} mm")));
    let tips = errors.tips.value().map_or_else(String::new, |value| format!(" ({value:.0})"));
    parts.join(" / ") + &tips
}

fn table(f: &mut fmt::Formatter<'_>, what: &str, rows: &[Row]) -> fmt::Result {
    let Some(first) = rows.first() else { return Ok(()) };
    let titles: Vec<&str> = first.methods.iter().map(|method| title(*method)).collect();
    write!(f, "\n{what}\n\n| hidden | {} |\n|---|", titles.join(" | "))?;
    titles.iter().try_for_each(|_| f.write_str("---|"))?;
    f.write_char('\n')?;
    for row in rows {
        let cells: Vec<String> = row.errors.iter().map(cell).collect();
        writeln!(f, "| {} | {} |", row.name, cells.join(" | "))?;
    }
    Ok(())
}

/// Tables in Markdown.
impl Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = "Mean error of hidden joints, degrees, and of the tips that they move, mm in brackets";
        table(f, &format!("{of}: single frames of held-out recordings; hold-last is 0.5 s old."), &self.frames)?;
        table(f, &format!("{of}: kinds of motion that were held out whole."), &self.others)?;
        table(f, &format!("{of}: streams in which joints fall silent, over the whole dropout."), &self.streams)
    }
}
