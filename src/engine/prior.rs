//! What is known of `x` before, or beside, what is seen.

use tch::Tensor;
use thalweg_task::{Observation, TaskSpec};

use super::error::EngineError;

/// Weight of a code's squared length against that of `x`: a guess that ranks the first hypothesis,
/// whose code is zero, before others that explain what is seen about as well.
const CODE_WEIGHT: f64 = 0.25;

/// A quadratic pull on `x`: `scale_k^2 |x - centre_k|^2 + offset_k` is added to loss k.
#[derive(Debug, Default)]
pub(crate) struct Prior {
    /// `[1 or K, 1]`; none where nothing pulls.
    pub(crate) scale: Option<Tensor>,
    /// `[K, X]`; none is the origin.
    pub(crate) centre: Option<Tensor>,
    /// `[K]`; none is zero.
    pub(crate) offset: Option<Tensor>,
}

impl Prior {
    /// The standard normal prior: `weight |x|^2 / X`.
    pub(crate) fn standard(weight: f64, spec: &TaskSpec) -> Self {
        let scale = (weight / spec.latent as f64).sqrt();
        let scale = (scale > 0.0).then(|| Tensor::full([1, 1], scale, (spec.kind, spec.device)));
        Self { scale, ..Self::default() }
    }

    /// Pulls to what a start proposes, `x` `[K, X]`, for codes `[K, C]`.
    ///
    /// `weight |x - proposal|^2 / X`, in proportion to the share of the observation that is hidden:
    /// what is seen needs no prior.
    pub(crate) fn around(
        proposal: &Tensor,
        codes: &Tensor,
        weight: f64,
        obs: &Observation,
        spec: &TaskSpec,
    ) -> Result<Self, EngineError> {
        let weight = hidden(obs, spec) * weight;
        if weight.max().double_value(&[]) <= 0.0 {
            return Ok(Self::default());
        }
        // A proposal that is no number is none.
        let centre = proposal.nan_to_num(0.0, 0.0, 0.0);
        let code = codes.square().mean_dim(1, false, spec.kind).nan_to_num(0.0, 0.0, 0.0);
        Ok(Self {
            offset: (codes.size()[1] > 0).then(|| code * weight.squeeze_dim(1) * CODE_WEIGHT),
            scale: Some((weight / spec.latent as f64).sqrt()),
            centre: Some(centre),
        })
    }

    /// The rows `scale (x - centre)`, `[K, X]`, whose squares pull; none where nothing does.
    pub(crate) fn residual(&self, x: &Tensor) -> Option<Tensor> {
        let scale = self.scale.as_ref()?;
        Some(match &self.centre {
            Some(centre) => (x - centre) * scale,
            None => x * scale,
        })
    }
}

/// Share of the entries that were not observed, `[O, 1]`.
fn hidden(obs: &Observation, spec: &TaskSpec) -> Tensor {
    let rows = obs.rows();
    let entries = |kind| spec.shape_of(kind).map_or(0, |shape| shape.iter().product::<i64>());
    let all: i64 = ["joints", "image", "points"].into_iter().map(entries).sum();
    let zero = Tensor::zeros([rows], (tch::Kind::Double, spec.device));
    let count = |sum: Tensor, (_, field): (_, &thalweg_task::Masked)| {
        sum + field.observed().to_device(spec.device).flatten(1, -1).sum_dim_intlist(1, false, tch::Kind::Double)
    };
    let seen = obs.fields().fold(zero, count) / all.max(1) as f64;
    let hidden: Tensor = 1.0 - seen;
    hidden.unsqueeze(1).to_kind(spec.kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};
    use thalweg_task::JointSpec;

    fn spec() -> TaskSpec {
        let joint = |name: &str| JointSpec { name: name.into(), unit: "m".into(), lower: 0.0, upper: 1.0 };
        TaskSpec {
            name: "double".into(),
            latent: 2,
            output: vec![2],
            joints: ["a", "b", "c", "d"].map(joint).to_vec(),
            groups: Vec::new(),
            reads_joints: true,
            image: None,
            points: None,
            skeleton: None,
            residual: true,
            fingerprint: "f".into(),
            device: Device::Cpu,
            kind: Kind::Double,
        }
    }

    fn values(tensor: &Tensor) -> Vec<f64> {
        Vec::try_from(tensor.reshape([-1])).expect("numbers")
    }

    #[test]
    fn pulls_to_the_proposal_in_proportion_to_what_is_hidden() {
        let nan = f64::NAN;
        let obs = Observation::of_joints(&Tensor::from_slice(&[1.0, nan, nan, nan]).view([1, 4]));
        let proposal = Tensor::from_slice(&[2.0, 4.0, nan, 1.0]).view([2, 2]);
        let codes = Tensor::from_slice(&[0.0, 2.0]).view([2, 1]);
        let prior = Prior::around(&proposal, &codes, 0.8, &obs, &spec()).expect("a prior");
        assert_eq!(values(prior.centre.as_ref().expect("a centre")), [2.0, 4.0, 0.0, 1.0]);
        let scale = values(prior.scale.as_ref().expect("a scale"))[0];
        // Three quarters hidden.
        assert!((scale * scale - 0.6 / 2.0).abs() < 1e-12, "{scale}");
        let offset = values(prior.offset.as_ref().expect("offsets"));
        assert!(offset[0] == 0.0 && (offset[1] - 4.0 * 0.6 * CODE_WEIGHT).abs() < 1e-12, "{offset:?}");
    }

    #[test]
    fn what_is_seen_whole_needs_no_prior() {
        let obs = Observation::of_joints(&Tensor::ones([1, 4], (Kind::Double, Device::Cpu)));
        let point = Tensor::ones([1, 2], (Kind::Double, Device::Cpu));
        let prior = Prior::around(&point, &point, 0.8, &obs, &spec()).expect("a prior");
        assert!(prior.residual(&point).is_none());
    }
}
