//! The metrics of a landscape's own steps, learned while it is trained.

use tch::{Device, Kind, Tensor};
use thalweg_nn::weights::Weights;
use thalweg_task::Result;

use super::OwnStepsOptions;

/// Share of the averages that survives a buffer.
const MEMORY: f64 = 0.95;
/// Names of the averages in a checkpoint.
const COVARIANCE: &str = "whitening.covariance";
const SQUARE: &str = "whitening.square";

/// What whitens the gradient at each step: `M_t = lambda_t / sqrt(q_t) (C_t + epsilon_t tr(C_t) / X I)^(-1/2)`.
///
/// `C_t` is the covariance of `dL/dx` at step t, `q_t` the mean square of the step that would come of it unscaled;
/// both are running averages.
#[derive(Debug)]
pub(super) struct Whitening {
    sizes: Vec<f64>,
    damping: Vec<f64>,
    /// C, `[T, X, X]`, and q, `[T]`; none before the first buffer.
    averages: Option<(Tensor, Tensor)>,
    /// M, `[T, X, X]`, of a landscape that is trained on: it stays.
    fixed: Option<Tensor>,
}

/// What was met at one step of a buffer.
#[derive(Debug)]
pub(super) struct Measured {
    /// Second moment of the gradients, `[X, X]`.
    covariance: Tensor,
    /// Mean square of the unscaled step.
    square: f64,
    /// M, with the size of the step, in the gradients' element type.
    pub(super) metric: Tensor,
}

impl Whitening {
    pub(super) fn new(options: &OwnStepsOptions, fixed: Option<Tensor>) -> Self {
        Self { sizes: options.sizes.clone(), damping: options.damping.clone(), averages: None, fixed }
    }

    /// Number T of steps.
    pub(super) fn steps(&self) -> usize {
        self.fixed.as_ref().map_or(self.sizes.len(), |fixed| fixed.size()[0] as usize)
    }

    /// What whitens the gradients `by_x`, `[B, X]`, of step `step`: by averages where there are some, else by these.
    ///
    /// `turn` takes a metric to the mean square of the step that it makes of them; `mean` takes a mean over the rows here
    /// to that over those of all ranks.
    pub(super) fn measure(
        &self,
        step: usize,
        by_x: &Tensor,
        turn: impl Fn(&Tensor) -> f64,
        mean: impl Fn(&Tensor) -> thalweg_nn::Result<Tensor>,
    ) -> thalweg_nn::Result<Measured> {
        let like = |metric: Tensor| metric.to_kind(by_x.kind()).to_device(by_x.device());
        if let Some(fixed) = &self.fixed {
            let metric = fixed.get(step as i64);
            return Ok(Measured { covariance: metric.shallow_clone(), square: 1.0, metric: like(metric) });
        }
        // In single precision, as checkpoints keep it.
        let covariance = mean(&covariance(by_x))?.to_kind(Kind::Float);
        let (of_step, known) = match &self.averages {
            Some((all, squares)) => (all.get(step as i64), Some(squares.double_value(&[step as i64]))),
            None => (covariance.shallow_clone(), None),
        };
        let whitener = like(self.whitener(step, &of_step));
        let square = mean(&Tensor::from(turn(&whitener)))?.double_value(&[]);
        let size = self.sizes[step] / known.unwrap_or(square).max(f64::MIN_POSITIVE).sqrt();
        Ok(Measured { covariance, square, metric: whitener * size })
    }

    /// Takes notice of what was measured at each step of a buffer.
    pub(super) fn learn(&mut self, measured: &[Measured]) {
        if self.fixed.is_some() {
            return;
        }
        let covariances: Vec<&Tensor> = measured.iter().map(|one| &one.covariance).collect();
        let squares: Vec<f32> = measured.iter().map(|one| one.square as f32).collect();
        let (covariances, squares) = (Tensor::stack(&covariances, 0), Tensor::from_slice(&squares));
        self.averages = Some(match &self.averages {
            Some((c, q)) => (c * MEMORY + covariances * (1.0 - MEMORY), q * MEMORY + squares * (1.0 - MEMORY)),
            None => (covariances, squares),
        });
    }

    /// All metrics, `[T, X, X]`; none before the first buffer.
    pub(super) fn metrics(&self) -> Option<Tensor> {
        if let Some(fixed) = &self.fixed {
            return Some(fixed.shallow_clone());
        }
        let (covariance, square) = self.averages.as_ref()?;
        let of = |step: usize| self.scaled(step, &covariance.get(step as i64), square.double_value(&[step as i64]));
        Some(Tensor::stack(&(0..self.sizes.len()).map(of).collect::<Vec<_>>(), 0))
    }

    /// The inverse root of a covariance, `[X, X]`, in double precision.
    fn whitener(&self, step: usize, covariance: &Tensor) -> Tensor {
        let covariance = covariance.to_kind(Kind::Double);
        let latent = covariance.size()[0];
        let shift = covariance.trace().double_value(&[]) / latent as f64 * self.damping[step];
        let (values, vectors) = covariance.linalg_eigh("L");
        let roots = (values.clamp_min(0.0) + shift.max(f64::MIN_POSITIVE)).rsqrt();
        (&vectors * roots).matmul(&vectors.transpose(0, 1))
    }

    fn scaled(&self, step: usize, covariance: &Tensor, square: f64) -> Tensor {
        self.whitener(step, covariance) * (self.sizes[step] / square.max(f64::MIN_POSITIVE).sqrt())
    }

    /// Names what a resumed training needs.
    pub(super) fn named(&self) -> Vec<(String, Tensor)> {
        let both = self.averages.iter().flat_map(|(c, q)| [(COVARIANCE, c), (SQUARE, q)]);
        both.map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone())).collect()
    }

    /// Takes back what [`Whitening::named`] gave.
    pub(super) fn restore(&mut self, file: &Weights, latent: i64) -> Result<()> {
        if self.fixed.is_none() {
            let steps = self.sizes.len() as i64;
            let covariance = file.tensor(COVARIANCE, &[steps, latent, latent])?.to_device(Device::Cpu);
            self.averages = Some((covariance, file.tensor(SQUARE, &[steps])?.to_device(Device::Cpu)));
        }
        Ok(())
    }
}

/// Second moment of gradients, `[B, X]`, on the processor in double precision.
fn covariance(by_x: &Tensor) -> Tensor {
    let by_x = by_x.to_device(Device::Cpu).to_kind(Kind::Double);
    by_x.transpose(0, 1).matmul(&by_x) / by_x.size()[0] as f64
}
