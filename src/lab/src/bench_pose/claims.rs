//! The claims, each with its two numbers.

use super::arms::{ARMS, Arm, DEFAULT};
use super::completions::Completion;
use super::report::Report;
use super::tables::{Table, mean_of};

/// One claim on one set of poses.
struct Claim {
    text: String,
    ours: (String, f64),
    rival: (String, f64),
    /// Greatest ratio of ours to the rival's for which the claim holds.
    limit: f64,
}

impl Claim {
    fn row(&self) -> Vec<String> {
        let ratio = self.ours.1 / self.rival.1;
        let verdict = if ratio <= self.limit { "yes" } else { "no" };
        let value = |(name, value): &(String, f64)| {
            if value.is_finite() { format!("{value:.3} ({name})") } else { name.clone() }
        };
        let told = if ratio.is_finite() { format!("{ratio:.3}") } else { "-".to_owned() };
        let numbers = [value(&self.ours), value(&self.rival), told, format!("{:.2}", self.limit)];
        std::iter::once(self.text.clone()).chain(numbers).chain([verdict.to_owned()]).collect()
    }
}

/// Says of each claim whether it holds.
pub(super) fn table(report: &Report) -> Table {
    let mut table = Table::new(&["claim", "ours", "rival", "ratio", "at most", "holds"]);
    let claims = few_steps(report).into_iter().chain(many_steps(report)).chain(every_budget(report));
    claims.chain(hidden_joints(report)).for_each(|claim| table.push(claim.row()));
    table
}

/// The least of some values, with its name.
fn least(values: impl Iterator<Item = (String, f64)>) -> Option<(String, f64)> {
    values.filter(|(_, value)| value.is_finite()).min_by(|(_, a), (_, b)| a.total_cmp(b))
}

/// Losses after so many steps on one test set, of the methods that `wanted` picks.
fn after(report: &Report, test: &str, steps: u32, wanted: fn(&Arm) -> bool) -> impl Iterator<Item = (String, f64)> {
    let rows = report.steps.iter().filter(move |row| row.test == test);
    let values = rows.filter_map(move |row| {
        let arm = ARMS.iter().find(|arm| arm.key == row.arm && wanted(arm))?;
        Some((arm.name.to_owned(), mean_of(&row.at_most(steps)?)))
    });
    values.collect::<Vec<_>>().into_iter()
}

fn is_baseline(arm: &Arm) -> bool {
    arm.is_baseline()
}

/// First-order descent on a trained landscape: what the paper compares.
fn is_paper_method(arm: &Arm) -> bool {
    arm.is_on_theta() && arm.has_rate()
}

fn is_default(arm: &Arm) -> bool {
    arm.key == DEFAULT
}

/// A name and the methods that it stands for.
type Ours = (&'static str, fn(&Arm) -> bool);

/// The two of which a claim is made: the paper's method, and what node and demo use.
const OURS: [Ours; 2] = [("theta", is_paper_method), ("default", is_default)];

/// (a) Two steps in Z as good as twenty in X.
fn few_steps(report: &Report) -> Vec<Claim> {
    let claim = |test: &String, (name, wanted): Ours| {
        let text = format!("a: 2 steps of {name}, 20 of Adam in X, {test}");
        let ours = least(after(report, test, 2, wanted))?;
        Some(Claim { text, ours, rival: least(after(report, test, 20, is_baseline))?, limit: 1.0 })
    };
    report.tests.iter().flat_map(|test| OURS.into_iter().filter_map(move |ours| claim(test, ours))).collect()
}

/// (b) After 200 steps 19 % lower in distribution, 11 % out of it.
fn many_steps(report: &Report) -> Vec<Claim> {
    let claim = |test: &String, (name, wanted): Ours| {
        let text = format!("b: 200 steps of {name}, {test}");
        let ours = least(after(report, test, 200, wanted))?;
        let limit = if test.starts_with("out") { 0.89 } else { 0.81 };
        Some(Claim { text, ours, rival: least(after(report, test, 200, is_baseline))?, limit })
    };
    report.tests.iter().flat_map(|test| OURS.into_iter().filter_map(move |ours| claim(test, ours))).collect()
}

/// (c) At each budget the default has less loss than every rival; variants of ours are no rivals.
fn every_budget(report: &Report) -> Vec<Claim> {
    let mut claims = Vec::new();
    for test in &report.tests {
        let mut budgets: Vec<f64> = report.budgets.iter().map(|row| row.budget_ms).collect();
        budgets.sort_by(f64::total_cmp);
        budgets.dedup();
        for budget in budgets {
            let of = |wanted: bool| {
                let rows = report.budgets.iter().filter(|row| row.test == *test && row.budget_ms == budget);
                least(rows.filter(|row| row.has_answer()).filter_map(|row| {
                    let arm = ARMS
                        .iter()
                        .find(|arm| arm.key == row.arm && is_default(arm) == wanted && arm.is_ours() == wanted)?;
                    Some((arm.name.to_owned(), mean_of(&row.loss)))
                }))
            };
            let nobody = || ("no answer".to_owned(), f64::INFINITY);
            let (ours, rival) = (of(true).unwrap_or_else(nobody), of(false).unwrap_or_else(nobody));
            claims.push(Claim { text: format!("c: {budget} ms, {test}"), ours, rival, limit: 1.0 });
        }
    }
    claims
}

/// What is compared of a completion.
type Measure = fn(&Completion) -> f64;

/// (d) Hidden arms and legs: the default a fifth below the best rival: the mean, the ranked and the least of all.
fn hidden_joints(report: &Report) -> Vec<Claim> {
    let measures: [(&str, Measure); 3] = [
        ("mean", |row| row.summaries.last().map_or(f64::NAN, |summary| summary.hidden_deg.mean)),
        ("ranked", |row| row.ranked_deg),
        ("least of S", |row| row.summaries.last().map_or(f64::NAN, |summary| summary.hidden_deg.min)),
    ];
    let mut claims = Vec::new();
    for test in &report.tests {
        for mask in ["arms", "legs"] {
            for (name, measure) in measures {
                let of = |wanted: bool| {
                    let arms = ARMS.iter().filter(|arm| is_default(arm) == wanted && arm.is_ours() == wanted);
                    least(arms.filter_map(|arm| {
                        let values = report.completion_values(arm.key, test, mask, measure);
                        (!values.is_empty()).then(|| (arm.name.to_owned(), mean_of(&values)))
                    }))
                };
                if let (Some(ours), Some(rival)) = (of(true), of(false)) {
                    let text = format!("d: {mask} hidden, degrees, {name}, {test}");
                    claims.push(Claim { text, ours, rival, limit: 0.8 });
                }
            }
        }
    }
    claims
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_holds_up_to_its_limit() {
        let claim = |ours: f64| Claim {
            text: "t".to_owned(),
            ours: ("a".to_owned(), ours),
            rival: ("b".to_owned(), 2.0),
            limit: 0.8,
        };
        assert_eq!(claim(1.6).row(), ["t", "1.600 (a)", "2.000 (b)", "0.800", "0.80", "yes"]);
        assert_eq!(claim(1.7).row()[5], "no");
        let late = Claim { ours: ("no answer".to_owned(), f64::INFINITY), ..claim(1.0) };
        assert_eq!((late.row()[1].as_str(), late.row()[3].as_str(), late.row()[5].as_str()), ("no answer", "-", "no"));
    }

    #[test]
    fn what_is_not_finite_is_never_the_least() {
        let values = [("a".to_owned(), f64::NAN), ("b".to_owned(), 2.0), ("c".to_owned(), 1.0)];
        assert_eq!(least(values.into_iter()), Some(("c".to_owned(), 1.0)));
    }
}
