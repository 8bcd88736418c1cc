//! The steps that a landscape was trained for.

use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::{Device, Kind, Tensor};
use thalweg_nn::weights::Weights;
use thalweg_task::{Masked, Observation, draws};

use super::{LandscapeError, LandscapeShape};

/// Tensors of a landscape file.
const METRIC: &str = "step.metric";
const CODES: &str = "step.codes";
const GAPS: &str = "step.gaps";
const EXEMPLARS: &str = "step.exemplars";
/// Metadata entry with their number; a file without has none.
const EXEMPLAR_COUNT: &str = "exemplars";
/// Most steps, dimensions of a code and joints that a file may have: far more than are of use.
const MOST_STEPS: i64 = 64;
const MOST_CODES: i64 = 1024;
const MOST_JOINTS: i64 = 4096;
/// Most examples: what is looked up within a fraction of a control period.
pub const MOST_EXEMPLARS: i64 = 65_536;
/// Seed of the codes that hypotheses have.
const SEED: u64 = 0;

/// Gradient steps, T of them, each with a metric in `x`; all descents begin at `z = 0`:
///
/// `z_{t+1} = z_t - J(z_t)' M_t dL/dx`, J the derivative of theta, `[X, Z]`. After the first step hypothesis k is moved
/// by its code, and all by what is hidden: `z_1 += c_k B + h E`, with `c_0 = 0` and the others drawn once and for all,
/// and `h` one for each hidden joint, else zero. A gradient does not tell a joint that is hidden from one that is where
/// the first guess has it; with `h E`, theta knows.
///
/// `M_t` whitens the gradient, and holds the size of the step: where the start is fixed, the whitened gradient tells what
/// was observed, and theta can learn to read it (docs/landscape.md).
#[derive(Debug)]
pub struct Steps {
    /// M, `[T, X, X]`, each symmetric and positive definite.
    metric: Tensor,
    /// B, `[C, Z]`; no rows where all hypotheses are one.
    codes: Tensor,
    /// E, `[M, Z]`, M joints of the task; no rows where it has none.
    gaps: Tensor,
    /// `[E, X]`, where training has left examples.
    exemplars: Option<Tensor>,
}

impl Steps {
    /// Names of the tensors in a landscape file.
    pub(super) const NAMES: [&'static str; 3] = [METRIC, CODES, GAPS];

    /// Takes metrics `[T, X, X]`, and what codes, `[C, Z]`, and hidden joints, `[M, Z]`, are multiplied by; they are
    /// checked where they meet a landscape.
    #[must_use]
    pub fn new(metric: Tensor, codes: Tensor, gaps: Tensor) -> Self {
        Self { metric, codes, gaps, exemplars: None }
    }

    /// Adds examples of x, `[E, X]`: of the training poses, say. Where something is hidden, those that agree with what was
    /// seen join in where searches begin.
    #[must_use]
    pub fn with_exemplars(self, exemplars: Option<Tensor>) -> Self {
        Self { exemplars, ..self }
    }

    /// Reads steps for a task with `joints` joints.
    pub(super) fn load(file: &Weights, shape: LandscapeShape, joints: i64) -> Result<Self, LandscapeError> {
        let (steps, codes): (i64, i64) = (file.meta("steps")?, file.meta("codes")?);
        if !(1..=MOST_STEPS).contains(&steps) || !(1..=MOST_CODES).contains(&codes) {
            let expected = format!("expected 1 to {MOST_STEPS} steps and 1 to {MOST_CODES} codes");
            return Err(file.refuse(format!("{expected}, got {steps} and {codes}")).into());
        }
        let metric = file.tensor(METRIC, &[steps, shape.x, shape.x])?;
        let (codes, gaps) = (file.tensor(CODES, &[codes, shape.z])?, file.tensor(GAPS, &[joints, shape.z])?);
        let exemplars = match Self::exemplars_in(file)? {
            0 => None,
            count => Some(file.tensor(EXEMPLARS, &[count, shape.x])?),
        };
        let loaded = Self { metric, codes, gaps, exemplars };
        if !loaded.has_finite_exemplars() {
            return Err(file.refuse(format!("tensor {EXEMPLARS}: expected finite numbers")).into());
        }
        if let Some(step) = loaded.bad_metric() {
            let what = format!("tensor {METRIC}: that of step {step} is not symmetric and positive definite");
            return Err(file.refuse(what).into());
        }
        Ok(loaded)
    }

    /// Names of the tensors that a file must have.
    pub(super) fn names_in(file: &Weights) -> Result<Vec<String>, LandscapeError> {
        let mut names = Self::NAMES.map(str::to_owned).to_vec();
        if Self::exemplars_in(file)? > 0 {
            names.push(EXEMPLARS.to_owned());
        }
        Ok(names)
    }

    /// How many examples a file says that it has.
    fn exemplars_in(file: &Weights) -> Result<i64, LandscapeError> {
        if file.meta::<String>(EXEMPLAR_COUNT).is_err() {
            return Ok(0);
        }
        let count: i64 = file.meta(EXEMPLAR_COUNT)?;
        if !(1..=MOST_EXEMPLARS).contains(&count) {
            return Err(file.refuse(format!("expected 1 to {MOST_EXEMPLARS} exemplars, got {count}")).into());
        }
        Ok(count)
    }

    fn has_finite_exemplars(&self) -> bool {
        self.exemplars.as_ref().is_none_or(|all| all.isfinite().all().int64_value(&[]) != 0)
    }

    /// Checks that metrics and codes fit a landscape.
    pub(super) fn check(&self, shape: LandscapeShape) -> Result<(), LandscapeError> {
        let refuse = |what, expected: String, got: String| Err(LandscapeError::Steps { what, expected, got });
        let (metric, codes) = (self.metric.size(), self.codes.size());
        if !matches!(metric[..], [1..=MOST_STEPS, x, other] if x == shape.x && other == shape.x) {
            return refuse("metric", format!("[1 to {MOST_STEPS}, {0}, {0}]", shape.x), format!("{metric:?}"));
        }
        if !matches!(codes[..], [1..=MOST_CODES, z] if z == shape.z) {
            return refuse("codes", format!("[1 to {MOST_CODES}, {}]", shape.z), format!("{codes:?}"));
        }
        let gaps = self.gaps.size();
        if !matches!(gaps[..], [0..=MOST_JOINTS, z] if z == shape.z) {
            return refuse("gaps", format!("[0 to {MOST_JOINTS}, {}]", shape.z), format!("{gaps:?}"));
        }
        if let Some(all) = &self.exemplars
            && !(matches!(all.size()[..], [1..=MOST_EXEMPLARS, x] if x == shape.x) && self.has_finite_exemplars())
        {
            let expected = format!("[1 to {MOST_EXEMPLARS}, {}], finite", shape.x);
            return refuse("exemplars", expected, format!("{:?}", all.size()));
        }
        match self.bad_metric() {
            Some(step) => refuse("metric", "symmetric and positive definite".into(), format!("another at step {step}")),
            None => Ok(()),
        }
    }

    /// The first step whose metric is no metric.
    fn bad_metric(&self) -> Option<i64> {
        let metric = self.metric.to_device(Device::Cpu).to_kind(Kind::Double);
        (0..self.count()).find(|step| {
            let one = metric.get(*step);
            let largest = one.abs().max().double_value(&[]);
            let apart = (&one - one.transpose(0, 1)).abs().max().double_value(&[]);
            let (_, info) = one.linalg_cholesky_ex(false, false);
            // What is not a number is not symmetric.
            let is_symmetric = apart <= 1e-4 * largest;
            !is_symmetric || info.int64_value(&[]) != 0
        })
    }

    /// Number T of steps.
    #[must_use]
    pub fn count(&self) -> i64 {
        self.metric.size()[0]
    }

    /// M, `[T, X, X]`.
    pub fn metric(&self) -> &Tensor {
        &self.metric
    }

    /// B, `[C, Z]`.
    pub fn codes(&self) -> &Tensor {
        &self.codes
    }

    /// E, `[M, Z]`.
    pub fn gaps(&self) -> &Tensor {
        &self.gaps
    }

    /// Examples of x, `[E, X]`.
    #[must_use]
    pub fn exemplars(&self) -> Option<&Tensor> {
        self.exemplars.as_ref()
    }

    /// The code of each of K hypotheses, `[K, C]`: zero for the first, then fixed random ones.
    ///
    /// The same for every observation, so that hypothesis k keeps its character in a stream, and the first codes do not
    /// depend on how many follow.
    pub fn code_of_each(&self, hypotheses: usize) -> Tensor {
        let codes = draw_codes(hypotheses, self.codes.size()[0], &mut StdRng::seed_from_u64(SEED));
        codes.to_kind(self.codes.kind()).to_device(self.codes.device())
    }

    /// A second handle on the same numbers.
    #[must_use]
    pub fn shallow_clone(&self) -> Self {
        let [metric, codes, gaps] = [&self.metric, &self.codes, &self.gaps].map(Tensor::shallow_clone);
        Self { metric, codes, gaps, exemplars: self.exemplars.as_ref().map(Tensor::shallow_clone) }
    }

    pub(super) fn named(&self) -> impl Iterator<Item = (String, Tensor)> {
        let tensors = [&self.metric, &self.codes, &self.gaps].map(Tensor::shallow_clone);
        // In half precision: a thousandth of x is less than what an example is off.
        let exemplars = self.exemplars.as_ref().map(|all| (EXEMPLARS.to_owned(), all.to_kind(Kind::Half)));
        Self::NAMES.map(str::to_owned).into_iter().zip(tensors).chain(exemplars)
    }

    pub(super) fn metadata(&self) -> Vec<(&'static str, String)> {
        let exemplars = self.exemplars.as_ref().map(|all| (EXEMPLAR_COUNT, all.size()[0].to_string()));
        let counts = [("steps", self.count().to_string()), ("codes", self.codes.size()[0].to_string())];
        counts.into_iter().chain(exemplars).collect()
    }
}

/// Draws codes `[rows, C]`: zeros, then `N(0, I)`.
pub fn draw_codes(rows: usize, dim: i64, random: &mut StdRng) -> Tensor {
    let first = Tensor::zeros([rows.min(1) as i64, dim], (Kind::Double, Device::Cpu));
    Tensor::cat(&[first, draws::normal(random, &[rows.saturating_sub(1) as i64, dim])], 0)
}

/// What is added to `z` after the first step for what an observation hides, `[O, Z]`: `h E`, with E `[M, Z]`.
///
/// An observation of other kinds, without joints, hides none that it could have shown.
pub fn offset_of_gaps(obs: &Observation, gaps: &Tensor) -> Tensor {
    let seen = obs.joints.as_ref().map(Masked::observed).filter(|seen| seen.size().get(1) == gaps.size().first());
    seen.map_or_else(
        || Tensor::zeros([obs.rows().max(1), gaps.size()[1]], (gaps.kind(), gaps.device())),
        |seen| seen.logical_not().to_kind(gaps.kind()).to_device(gaps.device()).matmul(gaps),
    )
}
