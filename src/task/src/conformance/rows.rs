//! Rules about axis 0: hypotheses never see each other.

use tch::Tensor;

use super::arithmetic::TOLERANCE;
use super::compare::{Fault, RuleResult, close, ensure, same_bits};
use super::probe::{self, Evaluation, Fill, descend, index, latents, observe};
use super::subject::Subject;
use crate::{Observation, Task};

/// How many hypotheses stand beside each other in these rules.
const ROWS: i64 = 5;

/// Checks that row k alone gives what row k of a batch gives, wherever it stands.
///
/// Hypotheses are ranked, thrown away and drawn anew between observations; none may change
/// because its neighbours did.
pub(super) fn row_independence(subject: &Subject<'_>) -> RuleResult {
    let task = &*subject.double;
    let spec = task.spec();
    let (x, obs) = (latents(spec, ROWS, 30), observe(task, &latents(spec, 1, 31))?);
    let batch = results(task, &x, &obs)?;
    let mut worst: f64 = 0.0;
    let mut orders: Vec<Vec<i64>> = (0..ROWS).map(|row| vec![row]).collect();
    orders.push(vec![3, 0, 4, 1, 2]);
    for order in orders {
        let rows = index(spec, &order);
        let picked = results(task, &x.index_select(0, &rows), &obs)?;
        for ((what, whole), (_, part)) in batch.iter().zip(&picked) {
            let what = format!("{what}, rows {order:?} of {ROWS}");
            worst = worst.max(close(&what, part, &whole.index_select(0, &rows), TOLERANCE)?);
        }
    }
    Ok(format!("relative deviation {worst:.1e}, limit {TOLERANCE:.0e}"))
}

fn results(task: &dyn Task, x: &Tensor, obs: &Observation) -> Result<Vec<(String, Tensor)>, Fault> {
    let (y_hat, target) = (task.forward(x)?, task.encode(obs)?);
    let objective = task.objective(&y_hat, &target)?;
    let mut all = vec![("loss".to_owned(), objective.loss)];
    all.extend(objective.residual.map(|residual| ("residual".to_owned(), residual)));
    all.extend(
        task.render_seen(&y_hat, &target)?
            .fields()
            .map(|(kind, tensor)| (format!("rendered {kind}"), tensor.shallow_clone())),
    );
    all.insert(0, ("F(x)".to_owned(), y_hat));
    Ok(all)
}

/// Checks that a row that is not finite poisons no other row, in value and in gradient.
///
/// A step may throw one hypothesis anywhere. The others go on as if nothing had happened, bit
/// by bit; `0 * NaN` in a sum over rows is enough to break that.
pub(super) fn row_poison(subject: &Subject<'_>) -> RuleResult {
    let task = &*subject.task;
    let spec = task.spec();
    let (x, obs) = (latents(spec, ROWS, 32), observe(task, &latents(spec, 1, 33))?);
    let (clean, others) = (descend(task, &x, &obs)?, index(spec, &[0, 1, 3, 4]));
    for poison in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e30] {
        let bad = x.index_fill(0, &index(spec, &[2]), poison);
        let poisoned = descend(task, &bad, &obs).map_err(|fault| Fault(format!("a row of {poison}: {}", fault.0)))?;
        same_descent(&format!("beside a row of {poison}"), &poisoned, &clean, &others)?;
    }
    Ok(format!("{} rows unmoved beside NaN, inf and 1e30", ROWS - 1))
}

fn same_descent(when: &str, got: &Evaluation, expected: &Evaluation, rows: &Tensor) -> Result<(), Fault> {
    let pairs = [
        ("F(x)", &got.y_hat, &expected.y_hat),
        ("loss", &got.loss, &expected.loss),
        ("gradient", &got.gradient, &expected.gradient),
    ];
    let mut pairs = pairs.into_iter();
    pairs.try_for_each(|(what, got, expected)| {
        same_bits(&format!("{what} {when}"), &got.index_select(0, rows), &expected.index_select(0, rows))
    })
}

/// Checks that the gradient of the summed loss is each hypothesis' own gradient.
///
/// One backward pass of the sum serves all hypotheses; were loss j to depend on latent i,
/// hypothesis i would be pushed about by its neighbour.
pub(super) fn row_gradient(subject: &Subject<'_>) -> RuleResult {
    row_gradient_of(subject, ROWS)
}

/// As [`row_gradient`], of three rows.
pub(super) fn row_gradient_of_few(subject: &Subject<'_>) -> RuleResult {
    row_gradient_of(subject, 3)
}

fn row_gradient_of(subject: &Subject<'_>, rows: i64) -> RuleResult {
    let task = &*subject.double;
    let spec = task.spec();
    let (x, obs) = (latents(spec, rows, 34), observe(task, &latents(spec, 1, 35))?);
    let batch = descend(task, &x, &obs)?.gradient;
    let leaf = x.copy().set_requires_grad(true);
    let losses = probe::score(task, &leaf, &task.encode(&obs)?)?.loss;
    let mut worst: f64 = 0.0;
    for row in 0..rows {
        let own = probe::gradient(&losses.select(0, row), &leaf)?;
        let foreign = own.index_fill(0, &index(spec, &[row]), 0.0).abs().max().double_value(&[]);
        ensure(foreign == 0.0, || format!("loss {row} has a gradient of {foreign:.1e} in another row"))?;
        let alone = descend(task, &x.narrow(0, row, 1), &obs)?.gradient;
        let what = format!("gradient of row {row} alone and in the batch");
        worst = worst.max(close(&what, &batch.narrow(0, row, 1), &alone, TOLERANCE)?);
    }
    Ok(format!("no cross terms; relative deviation {worst:.1e}, limit {TOLERANCE:.0e}"))
}

/// Checks that K observations at once score as each of them alone, also after picking rows.
///
/// Training and replay give every hypothesis its own observation, and Levenberg-Marquardt
/// repeats rows of the target to differentiate every residual in one pass.
pub(super) fn observation_rows(subject: &Subject<'_>) -> RuleResult {
    let task = &*subject.double;
    let spec = task.spec();
    let (x, seen) = (latents(spec, 3, 36), observe(task, &latents(spec, 3, 37))?);
    let obs = probe::apply(&seen, &probe::masks(&seen, 38), &Fill::Value(f64::NAN))?;
    let each = descend(task, &x, &obs)?;
    for row in 0..3 {
        let shared = descend(task, &x, &obs.select_rows(&index(spec, &[row])))?;
        for (what, each, shared) in [("loss", &each.loss, &shared.loss), ("gradient", &each.gradient, &shared.gradient)]
        {
            let what = format!("{what} of row {row}, own observation against the shared one");
            close(&what, &each.narrow(0, row, 1), &shared.narrow(0, row, 1), TOLERANCE)?;
        }
    }
    let (target, order) = (task.encode(&obs)?, index(spec, &[2, 0, 0, 1]));
    let picked = task.objective(&each.y_hat.index_select(0, &order), &target.rows(&order))?.loss;
    let worst = close("loss after picking rows of the target", &picked, &each.loss.index_select(0, &order), TOLERANCE)?;
    Ok(format!("O = 1 and O = K agree; relative deviation {worst:.1e}, limit {TOLERANCE:.0e}"))
}
