//! One evaluation of `L(F(theta(z)))` and its gradient, for K rows at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use thalweg_task::panic_line;

use tch::Tensor;
use thalweg_task::{Target, Task, TaskError};

use super::error::EngineError;
use super::own_steps::OwnSteps;
use super::prior::Prior;
use crate::landscape::Landscape;

/// K points and how good they are.
///
/// Tensors are never changed in place, so a shallow clone is a copy.
#[derive(Debug)]
pub(crate) struct Point {
    /// `[K, Z]`.
    pub(crate) z: Tensor,
    /// `[K, X]`.
    pub(crate) x: Tensor,
    /// `[K, ..Y]`.
    pub(crate) y_hat: Tensor,
    /// One for each row, what is minimised.
    pub(crate) loss: Vec<f64>,
}

impl Clone for Point {
    fn clone(&self) -> Self {
        let Self { z, x, y_hat, loss } = self;
        Self { z: z.shallow_clone(), x: x.shallow_clone(), y_hat: y_hat.shallow_clone(), loss: loss.clone() }
    }
}

impl Point {
    /// Takes over the rows of `other` that are marked; the others keep their bits.
    pub(crate) fn take(&mut self, other: &Self, rows: &[bool]) {
        if rows.iter().all(|&row| row) {
            *self = other.clone();
        } else if rows.contains(&true) {
            let mask = row_mask(rows, self.z.device());
            self.z = choose(&mask, &other.z, &self.z);
            self.x = choose(&mask, &other.x, &self.x);
            self.y_hat = choose(&mask, &other.y_hat, &self.y_hat);
            take_values(&mut self.loss, &other.loss, rows);
        }
    }

    /// Puts rows into another order; a row may come several times.
    pub(crate) fn select(&self, order: &[usize]) -> Self {
        let index = row_index(order, self.z.device());
        let pick = |tensor: &Tensor| tensor.index_select(0, &index);
        let loss = order.iter().map(|&row| self.loss[row]).collect();
        Self { z: pick(&self.z), x: pick(&self.x), y_hat: pick(&self.y_hat), loss }
    }
}

/// A point with what an optimizer needs to move on from it.
#[derive(Debug)]
pub(crate) struct Evaluation {
    pub(crate) point: Point,
    /// `[K, Z]`, derivative of each row's loss.
    pub(crate) gradient: Tensor,
    /// `[K, M]` with `loss[k]` the sum of squares of row `k`; kept when asked for.
    pub(crate) residual: Option<Tensor>,
    /// Squared Euclidean norm of each row's gradient.
    pub(crate) slope: Vec<f64>,
}

impl Clone for Evaluation {
    fn clone(&self) -> Self {
        Self {
            point: self.point.clone(),
            gradient: self.gradient.shallow_clone(),
            residual: self.residual.as_ref().map(Tensor::shallow_clone),
            slope: self.slope.clone(),
        }
    }
}

impl Evaluation {
    /// Whether a row has a finite loss and gradient.
    ///
    /// A gradient whose squared norm overflows counts as not finite.
    pub(crate) fn is_finite(&self, row: usize) -> bool {
        self.point.loss[row].is_finite() && self.slope[row].is_finite()
    }

    /// Marks the rows that are not finite.
    pub(crate) fn broken(&self) -> Vec<bool> {
        (0..self.slope.len()).map(|row| !self.is_finite(row)).collect()
    }

    /// As [`Point::take`].
    pub(crate) fn take(&mut self, other: &Self, rows: &[bool]) {
        if rows.iter().all(|&row| row) {
            *self = other.clone();
        } else if rows.contains(&true) {
            let mask = row_mask(rows, self.gradient.device());
            self.point.take(&other.point, rows);
            self.gradient = choose(&mask, &other.gradient, &self.gradient);
            let both = self.residual.as_ref().zip(other.residual.as_ref());
            self.residual = both.map(|(mine, theirs)| choose(&mask, theirs, mine));
            take_values(&mut self.slope, &other.slope, rows);
        }
    }

    /// As [`Point::select`].
    pub(crate) fn select(&self, order: &[usize]) -> Self {
        let index = row_index(order, self.gradient.device());
        Self {
            point: self.point.select(order),
            gradient: self.gradient.index_select(0, &index),
            residual: self.residual.as_ref().map(|residual| residual.index_select(0, &index)),
            slope: order.iter().map(|&row| self.slope[row]).collect(),
        }
    }
}

/// Turns one flag for each row into a boolean `[K]`.
pub(crate) fn row_mask(rows: &[bool], device: tch::Device) -> Tensor {
    Tensor::from_slice(rows).to_device(device)
}

/// Turns row numbers into an index `[R]`.
pub(crate) fn row_index(rows: &[usize], device: tch::Device) -> Tensor {
    let rows: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
    Tensor::from_slice(&rows).to_device(device)
}

/// Takes rows of `theirs` where `mask`, `[K]`, is set, rows of `mine` elsewhere.
pub(crate) fn choose(mask: &Tensor, theirs: &Tensor, mine: &Tensor) -> Tensor {
    let mut shape = vec![1; mine.dim()];
    shape[0] = -1;
    theirs.where_self(&mask.view(shape.as_slice()), mine)
}

fn take_values(mine: &mut [f64], theirs: &[f64], rows: &[bool]) {
    for ((mine, theirs), _) in mine.iter_mut().zip(theirs).zip(rows).filter(|(_, row)| **row) {
        *mine = *theirs;
    }
}

/// What is minimised: one observation on one landscape.
#[derive(Clone, Copy)]
pub(crate) struct Problem<'a> {
    pub(crate) task: &'a dyn Task,
    pub(crate) landscape: &'a Landscape,
    pub(crate) target: &'a Target,
    pub(crate) prior: &'a Prior,
    /// Whether evaluations keep their residuals.
    pub(crate) keep_residual: bool,
    /// The landscape's own steps, where the descent begins with them.
    pub(crate) own: Option<&'a OwnSteps>,
}

impl Problem<'_> {
    /// Evaluates loss and gradient at `z`, `[K, Z]`: one forward and one reverse pass.
    ///
    /// Where step `step` is one of the landscape's own, its metric goes into the gradient: `J' M dL/dx`.
    pub(crate) fn evaluate(&self, z: &Tensor, step: usize) -> Result<Evaluation, EngineError> {
        let metric = self.own.and_then(|own| own.metric(step));
        guarded(self.task, || tch::with_grad(|| self.trace(z, metric.as_ref())))
    }

    fn trace(&self, z: &Tensor, metric: Option<&Tensor>) -> Result<Evaluation, EngineError> {
        let z = z.detach().set_requires_grad(true);
        let x = self.landscape.map(&z);
        let y_hat = self.task.forward(&x)?;
        let objective = self.task.objective(&y_hat, self.target)?;
        check_rows("loss", &objective.loss, &[z.size()[0]])?;
        let loss = self.add_prior(objective.loss, &x);
        // Rows never interact, so one pass with a cotangent of ones gives K gradients.
        let gradient = match metric {
            Some(metric) => {
                let by_x = gradient(self.task, &loss, &x)?.matmul(metric);
                gradient(self.task, &(&x * by_x).sum_dim_intlist(1, false, x.kind()), &z)?
            }
            None => gradient(self.task, &loss, &z)?,
        };
        let residual = objective.residual.filter(|_| self.keep_residual);
        let residual = residual.map(|residual| self.add_prior_rows(residual.detach(), &x.detach()));
        let (loss, slope) = read(&loss.detach(), &gradient)?;
        let point = Point { z: z.detach(), x: x.detach(), y_hat: y_hat.detach(), loss };
        Ok(Evaluation { point, gradient, residual, slope })
    }

    /// Adds the prior to each row's loss.
    fn add_prior(&self, loss: Tensor, x: &Tensor) -> Tensor {
        let loss = match self.prior.residual(x) {
            Some(residual) => loss + residual.square().sum_dim_intlist(1, false, x.kind()),
            None => loss,
        };
        match &self.prior.offset {
            Some(offset) => loss + offset,
            None => loss,
        }
    }

    /// Appends the prior's residuals, `[K, X]`.
    fn add_prior_rows(&self, residual: Tensor, x: &Tensor) -> Tensor {
        match self.prior.residual(x) {
            Some(prior) => Tensor::cat(&[residual, prior], 1),
            None => residual,
        }
    }
}

/// Differentiates each row's loss, `[K]`, with respect to `z`.
fn gradient(task: &dyn Task, loss: &Tensor, z: &Tensor) -> Result<Tensor, EngineError> {
    let refuse = || EngineError::NotDifferentiable { task: task.spec().name.clone() };
    if !loss.requires_grad() {
        return Err(refuse());
    }
    // The graph between `z` and `x` is walked a second time where a metric stands between.
    let gradient = Tensor::f_run_backward(&[loss], &[z], true, false).map_err(TaskError::from)?;
    gradient.into_iter().next().filter(Tensor::defined).ok_or_else(refuse)
}

/// Reads losses and squared gradient norms in one transfer.
fn read(loss: &Tensor, gradient: &Tensor) -> Result<(Vec<f64>, Vec<f64>), TaskError> {
    let slope = gradient.square().sum_dim_intlist(1, false, gradient.kind());
    let mut values = Vec::<f64>::try_from(Tensor::f_cat(&[loss, &slope], 0)?)?;
    let slope = values.split_off(values.len() / 2);
    Ok((values, slope))
}

fn check_rows(what: &'static str, tensor: &Tensor, expected: &[i64]) -> Result<(), TaskError> {
    if tensor.size() == expected {
        return Ok(());
    }
    Err(TaskError::shape(what, format!("{expected:?}"), tensor))
}

/// Runs a task's code; a panic (tch's plain methods do) becomes an error.
pub(crate) fn guarded<T>(task: &dyn Task, run: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
    // Unwind safe: what a task computes is dropped with the panic, and a task has no state.
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| {
        Err(EngineError::TaskPanicked {
            task: task.spec().name.clone(),
            message: panic_line(payload.as_ref()).to_owned(),
        })
    })
}
