//! The result: tables for people, JSON for machines.

use std::path::Path;

use serde::Serialize;
use thalweg_nn::files::write_atomically;

use super::bench::Bench;
use super::soak::Soak;
use super::{BenchNodeArguments, ages, round_trips};

/// Everything that was measured.
#[derive(Serialize)]
pub(super) struct Report {
    version: &'static str,
    task: &'static str,
    hypotheses: u16,
    budget_ms: f64,
    seconds: u32,
    processors: usize,
    /// Load of the machine over the last 1, 5 and 15 minutes, before anything was started.
    load: String,
    pub(super) round_trips: Vec<round_trips::Row>,
    pub(super) ages: Vec<ages::Row>,
    pub(super) soak: Option<Soak>,
}

impl Report {
    pub(super) fn new(arguments: &BenchNodeArguments, bench: &Bench) -> Self {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            task: thalweg_body_pose::ENTRY.name,
            hypotheses: arguments.hypotheses,
            budget_ms: bench.budget.as_secs_f64() * 1e3,
            seconds: arguments.seconds,
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            load: load.split_whitespace().take(3).collect::<Vec<_>>().join(" "),
            round_trips: Vec::new(),
            ages: Vec::new(),
            soak: None,
        }
    }

    pub(super) fn title(&self) -> String {
        format!(
            "{} with arms hidden, {} hypotheses, budget {} ms, {} s a row\n{} processors, load {} before the start\n",
            self.task, self.hypotheses, self.budget_ms, self.seconds, self.processors, self.load
        )
    }

    pub(super) fn round_trips_table(&self) -> String {
        let head =
            ["Hz", "budget ms", "who", "sent", "answered", "missed", "p50 ms", "p99 ms", "max ms", "p99 - echo", ""];
        let rows = self.round_trips.iter().map(round_trip);
        let note = if self.round_trips.iter().all(|row| row.is_budget_asked) {
            ""
        } else {
            "  * the budget does not fit the period; measured with 60 % of the period instead\n"
        };
        format!("\nround trips\n{}{note}", table(&head, rows))
    }

    pub(super) fn ages_table(&self) -> String {
        let head =
            ["input Hz", "solves/s", "solve ms", "longest ms", "period ms", "worst age ms", "two periods ms", ""];
        format!("\nage of the newest data\n{}", table(&head, self.ages.iter().map(age)))
    }

    /// Writes everything to a file, when there is one.
    pub(super) fn save(&self, path: Option<&Path>) -> anyhow::Result<()> {
        let Some(path) = path else { return Ok(()) };
        let text = serde_json::to_string_pretty(self)? + "\n";
        write_atomically(path, text.as_bytes()).map_err(|error| anyhow::anyhow!("cannot write the result: {error}"))
    }
}

fn round_trip(row: &round_trips::Row) -> Vec<String> {
    let ms = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
    let mark = if row.is_budget_asked { "" } else { "*" };
    let verdict = row.is_allowed().map(|is_allowed| verdict(is_allowed, row.allowed_ms.unwrap_or_default()));
    vec![
        row.rate_hz.to_string(),
        format!("{}{mark}", row.budget_ms),
        row.who.to_owned(),
        row.sent.to_string(),
        row.answered.to_string(),
        row.missed.to_string(),
        ms(row.p50_ms),
        ms(row.p99_ms),
        ms(row.max_ms),
        row.beyond_echo_ms.map_or_else(String::new, |beyond| format!("{beyond:.2}")),
        verdict.unwrap_or_default(),
    ]
}

fn age(row: &ages::Row) -> Vec<String> {
    let times = [row.solve_mean_ms, row.solve_max_ms, row.period_ms, row.worst_age_ms, row.allowed_ms()];
    let rates = [row.input_hz, row.solves_hz].map(|rate| format!("{rate:.0}"));
    let cells = rates.into_iter().chain(times.map(|time| format!("{time:.2}")));
    cells.chain([if row.worst_age_ms <= row.allowed_ms() { "within" } else { "BEYOND" }.to_owned()]).collect()
}

fn verdict(is_allowed: bool, allowed_ms: f64) -> String {
    format!("{} {allowed_ms} ms", if is_allowed { "within" } else { "BEYOND" })
}

/// Sets cells in columns, flush right but for the last.
fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let head = head.iter().map(|cell| (*cell).to_owned()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(String::len).max().unwrap_or(0);
    let set = |(column, cell): (usize, &String)| format!("  {cell:>width$}", width = width(column));
    let line = |line: &Vec<String>| {
        let (last, cells) = line.split_last().map_or(("", &[][..]), |(last, cells)| (last.as_str(), cells));
        let cells: String = cells.iter().enumerate().map(set).collect();
        format!("{cells}  {last}").trim_end().to_owned() + "\n"
    };
    lines.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn columns_are_flush_right() {
        let rows = [vec!["1".to_owned(), "22".to_owned(), "ok".to_owned()]];
        assert_eq!(table(&["abc", "d", ""], rows.into_iter()), "  abc   d\n    1  22  ok\n");
    }
}
