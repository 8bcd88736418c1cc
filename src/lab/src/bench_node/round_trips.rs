//! Round trips through the echo and through the node, in turns.

use std::time::Duration;

use serde::Serialize;
use thalweg_ros::client::bench::RoundTrips;
use thalweg_task::percentile;

use super::bench::Bench;

/// Length of a turn: both see the same weather on the machine, and neither runs while the other is
/// measured. A guess.
const TURN: Duration = Duration::from_secs(1);

/// How long the last answers are waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Share of the period that a budget may take and the node still keep up: what is left goes to the
/// middleware, the drawing of results, and other processes. A guess.
const FITS: f64 = 0.8;

/// Share of the period that replaces a budget that does not fit.
const FITTED: f64 = 0.6;

/// What the node may take beyond its budget and what the echo takes, milliseconds.
const MARGIN_MS: f64 = 5.0;

/// One row of the table.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) rate_hz: f64,
    pub(super) budget_ms: f64,
    /// Whether the budget was asked for so; else it was cut to fit the period.
    pub(super) is_budget_asked: bool,
    pub(super) who: &'static str,
    pub(super) sent: usize,
    pub(super) answered: usize,
    pub(super) missed: usize,
    /// None when nothing was answered.
    pub(super) p50_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
    pub(super) max_ms: Option<f64>,
    /// p99 of the node less that of the echo.
    pub(super) beyond_echo_ms: Option<f64>,
    /// What that may be.
    pub(super) allowed_ms: Option<f64>,
}

/// Measures one rate: a row for the echo and one for the node.
pub(super) fn measure(bench: &Bench, rate: f64) -> anyhow::Result<[Row; 2]> {
    let budget = fitting(bench.budget, rate);
    let mut node = bench.node(budget)?;
    let mut routes = [("echo", bench.through_echo()), ("node", bench.through_node())];
    for (who, route) in &mut routes {
        bench.warm_up(route, rate, who)?;
    }
    for _ in 0..bench.seconds {
        for (_, route) in &mut routes {
            bench.turn(rate, TURN, |turn| route.send(turn))?;
        }
        bench.check()?;
        node.check()?;
    }
    let [echo, answered] = routes.map(|(who, route)| Row::new(who, rate, budget, &route.collect(PATIENCE)));
    node.end()?;
    Ok([echo.clone(), answered.compare(&echo)].map(|row| Row { is_budget_asked: budget == bench.budget, ..row }))
}

/// The budget, or what fits the period when it does not.
fn fitting(budget: Duration, rate: f64) -> Duration {
    let period = Duration::from_secs_f64(rate.recip());
    if budget <= period.mul_f64(FITS) { budget } else { period.mul_f64(FITTED) }
}

impl Row {
    fn new(who: &'static str, rate: f64, budget: Duration, trips: &RoundTrips) -> Self {
        Self {
            rate_hz: rate,
            budget_ms: budget.as_secs_f64() * 1e3,
            is_budget_asked: true,
            who,
            sent: trips.sent,
            answered: trips.millis.len(),
            missed: trips.missed(),
            p50_ms: percentile(&trips.millis, 0.5),
            p99_ms: percentile(&trips.millis, 0.99),
            max_ms: percentile(&trips.millis, 1.0),
            beyond_echo_ms: None,
            allowed_ms: None,
        }
    }

    fn compare(self, echo: &Self) -> Self {
        let beyond_echo_ms = self.p99_ms.zip(echo.p99_ms).map(|(node, echo)| node - echo);
        Self { beyond_echo_ms, allowed_ms: Some(self.budget_ms + MARGIN_MS), ..self }
    }

    /// Whether the node is within what is allowed; none for the echo.
    pub(super) fn is_allowed(&self) -> Option<bool> {
        let allowed = self.allowed_ms?;
        Some(self.beyond_echo_ms.is_some_and(|beyond| beyond <= allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn budgets_that_cannot_keep_up_are_cut() {
        assert_eq!(fitting(8 * MS, 30.0), 8 * MS);
        assert_eq!(fitting(8 * MS, 100.0), 8 * MS);
        assert_eq!(fitting(8 * MS, 200.0), 3 * MS);
    }

    #[test]
    fn the_node_is_compared_with_the_echo() {
        let row = |who, millis: &[f64]| Row::new(who, 30.0, 8 * MS, &RoundTrips { sent: 4, millis: millis.to_vec() });
        let echo = row("echo", &[1.0, 1.0, 1.0]);
        assert_eq!((echo.missed, echo.is_allowed()), (1, None));
        assert_eq!(row("node", &[14.0]).compare(&echo).is_allowed(), Some(true));
        assert_eq!(row("node", &[14.1]).compare(&echo).is_allowed(), Some(false));
        assert_eq!(row("node", &[]).compare(&echo).is_allowed(), Some(false), "no answer is no success");
    }
}
