//! What is known of `x` before, or beside, what is seen.

use tch::{Device, Tensor};
use thalweg_task::{Observation, TaskSpec};

use thalweg_task::numbers;

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
    pub(crate) fn around(proposal: &Tensor, codes: &Tensor, weight: f64, obs: &Observation, spec: &TaskSpec) -> Self {
        // A handful of numbers: as tensors they would cost more than all else at a start.
        let weights: Vec<f64> = hidden(obs, spec).iter().map(|hidden| hidden * weight).collect();
        if weights.iter().all(|weight| *weight <= 0.0) {
            return Self::default();
        }
        let (rows, latent) = (proposal.size()[0] as usize, spec.latent as usize);
        let of_row = |row: usize| weights[if weights.len() == 1 { 0 } else { row }];
        // A proposal that is no number is none.
        let finite = |value: f64| if value.is_finite() { value } else { 0.0 };
        let centre: Vec<f64> = numbers::<f64>(proposal).into_iter().map(finite).collect();
        let codes: Vec<f64> = numbers(codes);
        let offset = |(row, code): (usize, &[f64])| {
            let square = code.iter().map(|code| code * code).sum::<f64>() / code.len() as f64;
            finite(square) * of_row(row) * CODE_WEIGHT
        };
        let offset = codes.chunks(codes.len().div_ceil(rows).max(1)).enumerate().map(offset).collect::<Vec<_>>();
        let scale: Vec<f64> = weights.iter().map(|weight| (weight / latent as f64).sqrt()).collect();
        let tensor = |values: &[f64]| Tensor::from_slice(values).to_kind(spec.kind).to_device(spec.device);
        Self {
            scale: Some(tensor(&scale).view([-1, 1])),
            centre: Some(tensor(&centre).view([rows as i64, latent as i64])),
            offset: (!offset.is_empty()).then(|| tensor(&offset)),
        }
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

/// Share of the entries that were not observed, one for each of the O rows.
pub(crate) fn hidden(obs: &Observation, spec: &TaskSpec) -> Vec<f64> {
    let rows = obs.rows() as usize;
    let entries = |kind| spec.shape_of(kind).map_or(0, |shape| shape.iter().product::<i64>());
    let all: i64 = ["joints", "image", "points"].into_iter().map(entries).sum();
    let mut hidden = vec![1.0; rows];
    for (_, field) in obs.fields() {
        let observed = field.observed().to_device(Device::Cpu).contiguous();
        let mut seen = vec![false; observed.numel()];
        observed.copy_data(&mut seen, observed.numel());
        for (hidden, seen) in hidden.iter_mut().zip(seen.chunks(seen.len() / rows.max(1))) {
            *hidden -= seen.iter().filter(|seen| **seen).count() as f64 / all.max(1) as f64;
        }
    }
    hidden
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use tch::{Device, Kind};
    use thalweg_task::JointSpec;

    fn spec() -> TaskSpec {
        let joint = |name: &str| JointSpec { name: name.into(), unit: "m".into(), lower: 0.0, upper: 1.0 };
        two_numbers(["a", "b", "c", "d"].map(joint).to_vec())
    }

    /// A task of two numbers that reads these joints.
    pub(crate) fn two_numbers(joints: Vec<JointSpec>) -> TaskSpec {
        TaskSpec {
            name: "double".into(),
            latent: 2,
            output: vec![2],
            joints,
            groups: Vec::new(),
            reads_joints: true,
            image: None,
            points: None,
            skeleton: None,
            classes: Vec::new(),
            convention: None,
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
        let prior = Prior::around(&proposal, &codes, 0.8, &obs, &spec());
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
        let prior = Prior::around(&point, &point, 0.8, &obs, &spec());
        assert!(prior.residual(&point).is_none());
    }
}
