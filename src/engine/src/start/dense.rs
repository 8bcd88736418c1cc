//! A start that reads numbers: a perceptron from features and code to a point.

use tch::{Device, Kind, Tensor};
use thalweg_nn::Perceptron;
use thalweg_nn::weights::Weights;
use thalweg_task::{Kinds, Result, TaskError, TaskSpec};

use super::features::{inputs, readings};
use crate::landscape::SLOPE;
use crate::native::Chain;
use thalweg_task::numbers;

/// Widths of a start network: four dense layers `D + C -> hidden -> hidden -> hidden -> Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartShape {
    /// What of an observation is read.
    pub reads: Kinds,
    /// Dimension `D` of the encoded observation, see [`super::features`] and [`inputs`].
    pub inputs: i64,
    /// Dimension `C` of the code.
    pub code: i64,
    /// Width of the three hidden layers.
    pub hidden: i64,
    /// Dimension `Z` of the landscape.
    pub z: i64,
}

impl StartShape {
    /// Widths of its layers: input, hidden ones, output.
    #[must_use]
    pub fn widths(self) -> [i64; 5] {
        [self.inputs + self.code, self.hidden, self.hidden, self.hidden, self.z]
    }
}

/// A perceptron with the widths of a [`StartShape`].
#[derive(Debug)]
pub(super) struct Dense {
    pub(super) network: Perceptron,
    /// The network without libtorch, in single precision on a CPU.
    chain: Option<Chain<f32>>,
    pub(super) shape: StartShape,
}

impl Dense {
    pub(super) fn new(network: Perceptron, shape: StartShape) -> Result<Self> {
        for (parameters, width) in network.parameters().chunks(2).zip(shape.widths().windows(2)) {
            if parameters[0].size() != [width[1], width[0]] {
                return Err(TaskError::shape("layer weight", format!("[{}, {}]", width[1], width[0]), &parameters[0]));
            }
        }
        let weights = network.parameters();
        let is_plain = weights.iter().all(|weight| (weight.kind(), weight.device()) == (Kind::Float, Device::Cpu));
        let chain = if is_plain { Chain::new(&network) } else { None };
        Ok(Self { network, chain, shape })
    }

    /// Reads a perceptron that proposes points of `z` numbers.
    pub(super) fn read(file: &Weights, prefix: &str, spec: &TaskSpec, z: i64) -> Result<(Perceptron, StartShape)> {
        let (code, hidden): (i64, i64) = (file.meta("code")?, file.meta("hidden")?);
        if code < 0 || hidden < 1 {
            return Err(file.refuse(format!("expected code >= 0 and hidden >= 1, got {code} and {hidden}")).into());
        }
        let first = Perceptron::names(prefix, 1).next().unwrap_or_default();
        let reads = readings(spec).find(|reads| file.tensor(&first, &[hidden, inputs(spec, *reads) + code]).is_ok());
        let reads = reads.unwrap_or_else(|| spec.observes());
        let shape = StartShape { reads, inputs: inputs(spec, reads), code, hidden, z };
        let widths = shape.widths();
        let names: Vec<String> = Perceptron::names(prefix, widths.len() - 1).collect();
        file.expect_names(names.iter().map(String::as_str))?;
        Ok((Perceptron::load(file, prefix, &widths, SLOPE)?, shape))
    }

    pub(super) fn metadata(&self) -> [(&'static str, String); 2] {
        [("code", self.shape.code.to_string()), ("hidden", self.shape.hidden.to_string())]
    }

    /// Points `[K, Z]` for features, `[1, D]` or `[K, D]`, and codes, `[K, C]`.
    pub(super) fn propose(&self, features: &Tensor, codes: &Tensor) -> Tensor {
        match &self.chain {
            Some(chain) => self.propose_natively(chain, features, codes),
            None => {
                let features = features.expand([codes.size()[0], -1], false);
                self.network.forward(&Tensor::cat(&[&features, codes], 1))
            }
        }
    }

    fn propose_natively(&self, chain: &Chain<f32>, features: &Tensor, codes: &Tensor) -> Tensor {
        let (width, code) = (self.shape.inputs as usize, self.shape.code as usize);
        let (seen, codes, rows) = (numbers::<f32>(features), numbers::<f32>(codes), codes.size()[0]);
        let is_shared = seen.len() == width;
        let z = chain.forward(rows as usize, |row, place| {
            place[..width].copy_from_slice(&seen[if is_shared { 0 } else { row * width }..][..width]);
            place[width..].copy_from_slice(&codes[row * code..][..code]);
        });
        Tensor::from_slice(&z).view([rows, self.shape.z])
    }
}

#[cfg(test)]
mod tests {
    use thalweg_task::Observation;

    use super::super::features::features;
    use super::super::tests::{JOINTS, codes, perceptron, spec};
    use super::*;

    #[test]
    fn single_precision_proposes_the_same_without_libtorch() {
        let spec = TaskSpec { kind: Kind::Float, ..spec() };
        let (double, shape) = perceptron(3);
        let layers = double.parameters();
        let layers = layers.chunks(2).map(|pair| (pair[0].to_kind(Kind::Float), pair[1].to_kind(Kind::Float)));
        let network = Perceptron::new(layers.collect(), SLOPE).expect("layers fit");
        let single = Dense::new(network, shape).expect("widths fit");
        assert!(single.chain.is_some() && Dense::new(double, shape).expect("widths fit").chain.is_none());
        let angles = [[0.5, f64::NAN], [1.5, 0.25]];
        for (obs, rows) in [(&angles[..1], 37), (&angles[..], 2)] {
            let obs = Observation::of_joints(&Tensor::from_slice(obs.as_flattened()).view([-1, 2]));
            let (seen, codes) = (features(&obs, &spec, JOINTS), codes(rows, 3, 7).to_kind(Kind::Float));
            let got = single.propose(&seen, &codes);
            let expected = single.network.forward(&Tensor::cat(&[&seen.expand([rows as i64, -1], false), &codes], 1));
            let apart = (got - &expected).abs().max().double_value(&[]);
            assert!(apart < 1e-5 * expected.abs().max().double_value(&[]), "{apart}");
        }
    }
}
