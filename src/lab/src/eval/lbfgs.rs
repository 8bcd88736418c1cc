//! L-BFGS by argmin, step by step: what a user of a library would take.

use std::cell::{Cell, RefCell};

use argmin::core::{CostFunction, Error, Gradient, IterState, Problem, Solver, State, TerminationStatus};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;
use thalweg_task::TaskError;

/// Pairs of differences that are remembered: argmin's own example, and within Nocedal & Wright's 3 to 20.
const MEMORY: usize = 7;

type Vector = Vec<f64>;
type Method = LBFGS<MoreThuenteLineSearch<Vector, Vector, f64>, Vector, Vector, f64>;
type Iterate = IterState<Vector, Vector, (), (), (), f64>;

/// Evaluates loss and gradient at a point.
pub type Evaluate<'a> = dyn Fn(&[f64]) -> Result<(f64, Vec<f64>), TaskError> + 'a;

/// One point with its loss and gradient.
#[derive(Clone, Debug, Default)]
struct Evaluated {
    at: Vector,
    loss: f64,
    gradient: Vector,
}

/// Evaluations of one line search, at most: argmin's has no limit of its own. A guess; three are usual.
const SEARCH: u32 = 40;

/// The objective as argmin asks for it: loss and gradient one after the other, computed together.
struct Objective<'a> {
    evaluate: &'a Evaluate<'a>,
    last: RefCell<Evaluated>,
    best: RefCell<Evaluated>,
    /// Why an evaluation failed; argmin would take it for the end of a line search.
    failure: RefCell<Option<TaskError>>,
    /// Evaluations since the iteration began.
    count: Cell<u32>,
}

impl Objective<'_> {
    fn evaluated(&self, point: &[f64]) -> Result<(f64, Vector), Error> {
        self.count.set(self.count.get() + 1);
        if self.count.get() > SEARCH {
            return Err(Error::msg(format!("no end of the line search after {SEARCH} evaluations")));
        }
        (self.evaluate)(point).map_err(|failure| {
            let error = Error::msg(failure.to_string());
            self.failure.replace(Some(failure));
            error
        })
    }

    fn at(&self, point: &[f64]) -> Result<(f64, Vector), Error> {
        if self.last.borrow().at != point {
            let (loss, gradient) = self.evaluated(point)?;
            let evaluated = Evaluated { at: point.to_vec(), loss, gradient };
            let is_best = self.best.borrow().at.is_empty() || loss < self.best.borrow().loss;
            if is_best {
                self.best.replace(evaluated.clone());
            }
            self.last.replace(evaluated);
        }
        let last = self.last.borrow();
        Ok((last.loss, last.gradient.clone()))
    }
}

impl CostFunction for &Objective<'_> {
    type Param = Vector;
    type Output = f64;

    fn cost(&self, point: &Vector) -> Result<f64, Error> {
        Ok(self.at(point)?.0)
    }
}

impl Gradient for &Objective<'_> {
    type Param = Vector;
    type Gradient = Vector;

    fn gradient(&self, point: &Vector) -> Result<Vector, Error> {
        Ok(self.at(point)?.1)
    }
}

/// Descends for some iterations and tells, after each, the best point that was evaluated.
///
/// Limited-memory BFGS with the line search of More and Thuente (1994), vectors in double
/// precision. `tell` gets the number of the iteration, from 0, the point and its loss; it returns
/// whether to go on. Points of the line search count, too. A line search that fails ends the
/// descent: what was told last holds.
///
/// # Errors
/// Those of `evaluate`.
pub fn descend(
    evaluate: &Evaluate<'_>,
    start: &[f64],
    iterations: u32,
    tell: &mut dyn FnMut(u32, &[f64], f64) -> bool,
) -> Result<(), TaskError> {
    let objective = Objective {
        evaluate,
        last: RefCell::default(),
        best: RefCell::default(),
        failure: RefCell::default(),
        count: Cell::new(0),
    };
    if let Err(end) = run(&objective, start, iterations, tell) {
        tracing::debug!("L-BFGS ended: {end}");
    }
    objective.failure.into_inner().map_or(Ok(()), Err)
}

fn run<'a>(
    objective: &'a Objective<'a>,
    start: &[f64],
    iterations: u32,
    tell: &mut dyn FnMut(u32, &[f64], f64) -> bool,
) -> Result<(), Error> {
    let mut problem = Problem::new(objective);
    let mut method: Method = LBFGS::new(MoreThuenteLineSearch::new(), MEMORY);
    let (mut state, _) = method.init(&mut problem, Iterate::new().param(start.to_vec()))?;
    for iteration in 0..=iterations {
        if iteration > 0 {
            objective.count.set(0);
            (state, _) = method.next_iter(&mut problem, state)?;
            state.increment_iter();
        }
        let best = objective.best.borrow().clone();
        // After a failed line search the state has no gradient left to go on with.
        if !tell(iteration, &best.at, best.loss) || state.terminated() {
            break;
        }
        state.update();
        if iteration > 0 && is_over(objective, &mut method, &state) {
            break;
        }
    }
    Ok(())
}

/// Whether the method sees no way on: its own test of gradient and cost.
fn is_over<'a>(_: &'a Objective<'a>, method: &mut Method, state: &Iterate) -> bool {
    let status = Solver::<&'a Objective<'a>, Iterate>::terminate(method, state);
    status != TerminationStatus::NotTerminated
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenbrock's valley, whose floor is at (1, 1).
    fn valley(point: &[f64]) -> Result<(f64, Vec<f64>), TaskError> {
        let (x, y) = (point[0], point[1]);
        let bend = y - x * x;
        Ok(((1.0 - x).powi(2) + 100.0 * bend * bend, vec![-2.0 * (1.0 - x) - 400.0 * x * bend, 200.0 * bend]))
    }

    #[test]
    fn the_valley_is_followed_to_its_floor() {
        let mut told = Vec::new();
        descend(&valley, &[-1.2, 1.0], 60, &mut |iteration, at, loss| {
            told.push((iteration, at.to_vec(), loss));
            true
        })
        .expect("a smooth function");
        assert_eq!((told[0].0, told[0].1.as_slice()), (0, &[-1.2, 1.0][..]));
        assert!(told.windows(2).all(|pair| pair[1].2 <= pair[0].2));
        let (_, at, loss) = told.last().expect("it was told");
        assert!(*loss < 1e-12 && (at[0] - 1.0).abs() < 1e-5, "{at:?}: {loss}");
    }

    #[test]
    fn where_no_step_helps_the_descent_ends_with_what_it_has() {
        // The gradient points the wrong way: no line search can succeed.
        let wrong = |point: &[f64]| Ok((point[0] * point[0], vec![-2.0 * point[0]]));
        let mut told = Vec::new();
        descend(&wrong, &[1.0], 10, &mut |_, at, loss| {
            told.push((at[0], loss));
            true
        })
        .expect("a failed line search is an end, no error");
        assert!(told.len() < 10 && told.iter().all(|told| *told == (1.0, 1.0)), "{told:?}");
        let nowhere = |_: &[f64]| Ok((f64::NAN, vec![f64::NAN]));
        descend(&nowhere, &[1.0], 10, &mut |_, _, _| true).expect("what is not a number ends it, too");
    }

    #[test]
    fn telling_no_ends_the_descent_and_errors_come_out() {
        let mut count = 0;
        descend(&valley, &[-1.2, 1.0], 60, &mut |_, _, _| {
            count += 1;
            count < 3
        })
        .expect("a smooth function");
        assert_eq!(count, 3);
        let calls = Cell::new(0);
        let later = |point: &[f64]| {
            calls.set(calls.get() + 1);
            if calls.get() < 4 { valley(point) } else { Err(TaskError::Infinite { kind: "joints", count: 2 }) }
        };
        let error = descend(&later, &[-1.2, 1.0], 60, &mut |_, _, _| true).expect_err("a line search meets it");
        assert!(matches!(error, TaskError::Infinite { count: 2, .. }), "{error}");
        let fail = |_: &[f64]| Err(TaskError::Infinite { kind: "joints", count: 1 });
        let error = descend(&fail, &[0.0], 5, &mut |_, _, _| true).expect_err("the evaluation fails");
        assert!(matches!(error, TaskError::Infinite { count: 1, .. }), "{error}");
    }
}
