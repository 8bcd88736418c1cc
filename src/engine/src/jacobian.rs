//! Jacobians of functions that act on each row alone.

use tch::{Kind, Tensor};
use thalweg_task::TaskError;

use super::error::EngineError;
use super::evaluation::{Evaluation, Problem, guarded};

/// Rows that one pass holds at most. A guess: enough to fill one core's matrix products.
const ROWS_PER_PASS: i64 = 4096;
/// Elements that one tensor of a pass holds at most, a guess: 16 MiB of f32.
const ELEMENTS_PER_PASS: i64 = 1 << 22;

impl Problem<'_> {
    /// Differentiates the residuals with respect to `z`: `[K, M, Z]`.
    ///
    /// The chain rule splits it at `x`, so that F is not differentiated once for each of the
    /// many dimensions of `z`, nor theta once for each residual. With a prior, the last `X` of the `M`
    /// rows are those of [`super::prior::Prior::residual`].
    pub(crate) fn jacobian(&self, at: &Evaluation) -> Result<Tensor, EngineError> {
        guarded(self.task, || tch::with_grad(|| self.trace_jacobian(at)))
    }

    fn trace_jacobian(&self, at: &Evaluation) -> Result<Tensor, EngineError> {
        let latent = self.landscape.latent();
        let prior = if self.prior.scale.is_some() { latent } else { 0 };
        let residuals = at.residual.as_ref().map_or(0, |residual| residual.size()[1]) - prior;
        let mut by_x = jacobian(&|x, rows| self.residual(x, rows), &at.point.x, residuals)?;
        if let Some(scale) = &self.prior.scale {
            let scaled = Tensor::eye(latent, (by_x.kind(), by_x.device())) * scale.unsqueeze(2);
            by_x = Tensor::cat(&[&by_x, &scaled.expand([by_x.size()[0], latent, latent], false)], 1);
        }
        if self.landscape.perceptron().is_none() {
            return Ok(by_x);
        }
        let by_z = jacobian(&|z, _| Ok(self.landscape.map(z)), &at.point.z, latent)?;
        Ok(by_x.bmm(&by_z))
    }

    /// Residuals of `x`, `[R, X]`, whose rows belong to the hypotheses `rows`, `[R]`.
    fn residual(&self, x: &Tensor, rows: &Tensor) -> Result<Tensor, EngineError> {
        let objective = self.task.objective(&self.task.forward(x)?, &self.target.rows(rows))?;
        objective.residual.ok_or_else(|| EngineError::NoResidual { task: self.task.spec().name.clone() })
    }
}

/// A function of rows `[R, I]`, and of the hypotheses `[R]` that they repeat, to `[R, O]`.
type RowFunction<'a> = dyn Fn(&Tensor, &Tensor) -> Result<Tensor, EngineError> + 'a;

/// Differentiates a function of rows: `[K, O, I]` at `input`, `[K, I]`.
///
/// All entries come from batched passes in which each row is repeated. Reverse mode costs two
/// passes (forward, reverse) for each output, forward mode by double reversal three for each
/// input; the cheaper one is taken. Where a function cannot be differentiated twice, reverse
/// mode does it.
pub(crate) fn jacobian(function: &RowFunction<'_>, input: &Tensor, outputs: i64) -> Result<Tensor, EngineError> {
    if 3 * input.size()[1] < 2 * outputs
        && let Ok(jacobian) = by_inputs(function, input, outputs)
    {
        return Ok(jacobian);
    }
    by_outputs(function, input, outputs)
}

/// Reverse mode: each row is repeated once for each output, and each copy reports one.
fn by_outputs(function: &RowFunction<'_>, input: &Tensor, outputs: i64) -> Result<Tensor, EngineError> {
    let (rows, inputs) = (input.size()[0], input.size()[1]);
    let parts = sweep(rows, outputs, inputs.max(outputs), input, |row, output| {
        let input = leaf(&input.index_select(0, row));
        let picked = function(&input, row)?.gather(1, &output.unsqueeze(1), false);
        derive(&picked, &input, false)
    })?;
    Ok(parts.view([rows, outputs, inputs]))
}

/// Forward mode by double reversal: `J^T v` is linear in `v`, and its derivative is `J`.
///
/// J. Townsend, "A new trick for calculating Jacobian vector products" (2017).
fn by_inputs(function: &RowFunction<'_>, input: &Tensor, outputs: i64) -> Result<Tensor, EngineError> {
    let (rows, inputs) = (input.size()[0], input.size()[1]);
    let parts = sweep(rows, inputs, inputs.max(outputs), input, |row, column| {
        let input = leaf(&input.index_select(0, row));
        let output = function(&input, row)?;
        let cotangent = leaf(&output.ones_like());
        let pulled = derive(&(output * &cotangent), &input, true)?;
        derive(&pulled.gather(1, &column.unsqueeze(1), false), &cotangent, false)
    })?;
    Ok(parts.view([rows, inputs, outputs]).transpose(1, 2))
}

/// Runs over all pairs (row, entry) in batches of bounded size and joins what they give.
fn sweep(
    rows: i64,
    entries: i64,
    width: i64,
    like: &Tensor,
    pass: impl Fn(&Tensor, &Tensor) -> Result<Tensor, EngineError>,
) -> Result<Tensor, EngineError> {
    let count = rows * entries;
    let batch = (ELEMENTS_PER_PASS / width.max(1)).clamp(1, ROWS_PER_PASS);
    let mut parts = Vec::new();
    for start in (0..count).step_by(batch as usize) {
        let pair = Tensor::arange_start(start, count.min(start + batch), (Kind::Int64, like.device()));
        parts.push(pass(&pair.divide_scalar_mode(entries, "floor"), &pair.remainder(entries))?);
    }
    Ok(Tensor::f_cat(&parts, 0).map_err(TaskError::from)?)
}

fn leaf(value: &Tensor) -> Tensor {
    value.detach().set_requires_grad(true)
}

/// Differentiates the sum of `output` with respect to `input`.
fn derive(output: &Tensor, input: &Tensor, differentiable: bool) -> Result<Tensor, EngineError> {
    let lost = || TaskError::Torch(tch::TchError::Torch("the residuals do not depend on the latent".to_owned()));
    if !output.requires_grad() {
        return Err(lost().into());
    }
    let gradients =
        Tensor::f_run_backward(&[output], &[input], differentiable, differentiable).map_err(TaskError::from)?;
    Ok(gradients.into_iter().next().filter(Tensor::defined).ok_or_else(lost)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two inputs to three outputs; the rows of the second factor depend on the row index.
    fn curve(input: &Tensor, rows: &Tensor) -> Result<Tensor, EngineError> {
        let factor = (rows + 1).to_kind(Kind::Double).unsqueeze(1);
        let (a, b) = (input.narrow(1, 0, 1), input.narrow(1, 1, 1));
        Ok(Tensor::cat(&[&a * &b * factor, a.sin(), b.square()], 1))
    }

    /// The derivatives of `curve` by hand, `[3, 2]` for row `k`.
    fn by_hand(a: f64, b: f64, k: usize) -> [f64; 6] {
        let factor = k as f64 + 1.0;
        [b * factor, a * factor, a.cos(), 0.0, 0.0, 2.0 * b]
    }

    #[test]
    fn both_modes_give_the_derivatives() {
        let input = Tensor::from_slice(&[0.5, -1.0, 2.0, 0.25]).view([2, 2]);
        let expected: Vec<f64> = [by_hand(0.5, -1.0, 0), by_hand(2.0, 0.25, 1)].concat();
        for jacobian in [by_inputs(&curve, &input, 3), by_outputs(&curve, &input, 3)] {
            let jacobian = jacobian.expect("a smooth function");
            assert_eq!(jacobian.size(), [2, 3, 2]);
            let got = Vec::<f64>::try_from(jacobian.reshape([-1])).expect("flat");
            assert!(got.iter().zip(&expected).all(|(got, expected)| (got - expected).abs() < 1e-14), "{got:?}");
        }
    }

    #[test]
    fn batches_join_in_order() {
        let like = Tensor::zeros([1], (Kind::Double, tch::Device::Cpu));
        // Five entries of this width fill a pass, so that 3 x 4 pairs need three.
        let joined = sweep(3, 4, ELEMENTS_PER_PASS / 5, &like, |row, entry| Ok(row * 10 + entry)).expect("numbers");
        assert_eq!(Vec::<i64>::try_from(joined).expect("flat"), [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]);
    }

    #[test]
    fn falls_back_where_a_second_derivative_is_missing() {
        // The gradient of this does not depend on the cotangent in a way that autograd sees.
        let input = Tensor::from_slice(&[1.0f64, 2.0]).view([2, 1]);
        let function = |input: &Tensor, _: &Tensor| Ok(input.expand([-1, 4], false).contiguous());
        let jacobian = jacobian(&function, &input, 4).expect("one of the modes works");
        assert_eq!(Vec::<f64>::try_from(jacobian.reshape([-1])).expect("flat"), [1.0; 8]);
    }
}
