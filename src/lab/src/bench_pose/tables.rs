//! Tables in Markdown.

use std::fmt;

use thalweg_task::mean;

/// A table that is filled row by row.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|cell| (*cell).to_owned()).collect()] }
    }

    pub(super) fn of_head(head: Vec<String>) -> Self {
        Self { rows: vec![head] }
    }

    pub(super) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// Whether there is no row below the head.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, row) in self.rows.iter().enumerate() {
            writeln!(f, "| {} |", row.join(" | "))?;
            if index == 0 {
                writeln!(f, "|{}", "---|".repeat(row.len()))?;
            }
        }
        Ok(())
    }
}

/// The mean of values, one for each seed; NaN of none.
pub(super) fn mean_of(values: &[f64]) -> f64 {
    mean(values).unwrap_or(f64::NAN)
}

/// Mean and sample standard deviation over seeds; the latter only where there are several.
pub(super) fn spread(values: &[f64], digits: usize) -> String {
    let middle = mean_of(values);
    if !middle.is_finite() {
        return "-".to_owned();
    }
    if values.len() < 2 {
        return format!("{middle:.digits$}");
    }
    let squares: f64 = values.iter().map(|value| (value - middle).powi(2)).sum();
    let deviation = (squares / (values.len() - 1) as f64).sqrt();
    format!("{middle:.digits$} ± {deviation:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_rule_below_its_head() {
        let mut table = Table::new(&["a", "b"]);
        assert!(table.is_empty());
        table.push(vec!["1".to_owned(), "2".to_owned()]);
        assert_eq!(table.to_string(), "| a | b |\n|---|---|\n| 1 | 2 |\n");
    }

    #[test]
    fn seeds_give_mean_and_deviation() {
        assert_eq!(spread(&[1.0, 2.0, 3.0], 2), "2.00 ± 1.00");
        assert_eq!((spread(&[2.5], 1), spread(&[], 1)), ("2.5".to_owned(), "-".to_owned()));
    }
}
