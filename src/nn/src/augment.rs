//! More examples than were recorded: parts exchanged between examples, scaled about their mean, and noise.

use rand::Rng;
use rand::rngs::StdRng;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// How examples are changed before a network learns from them.
///
/// An example consists of entries, each of which belongs to a part: the joints of an arm move together, those of an
/// arm and a leg hardly do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Share of the examples that are changed at all, 0 to 1.
    pub share: f64,
    /// Chance of each part of these to be taken from another example.
    pub swap: f64,
    /// Standard deviation of the factor, about 1, by which a part's distance from the mean is stretched.
    pub scale: f64,
    /// Standard deviation of the noise on each number, in its own unit.
    pub noise: f64,
}

impl Default for Augmentation {
    /// The shares of the study behind docs/landscape.md; noise for radians.
    fn default() -> Self {
        Self { share: 0.4, swap: 0.35, scale: 0.3, noise: 0.05 }
    }
}

impl Augmentation {
    /// Changes nothing.
    pub const NONE: Self = Self { share: 0.0, swap: 0.0, scale: 0.0, noise: 0.0 };

    /// Changes some of `values`, `[B, E]`, and tells which.
    ///
    /// `pool`, `[N, E]`, is what parts are taken from, `mean`, `[E]`, what is scaled about; `parts` names the part of
    /// each entry, counted from zero.
    pub fn apply(
        &self,
        values: &Tensor,
        (pool, mean): (&Tensor, &Tensor),
        parts: &[usize],
        random: &mut StdRng,
    ) -> (Tensor, Vec<bool>) {
        let (rows, count) = (values.size()[0] as usize, pool.size()[0]);
        let changed: Vec<bool> = (0..rows).map(|_| random.random_bool(self.share)).collect();
        if !changed.contains(&true) {
            return (values.shallow_clone(), changed);
        }
        let others: Vec<i64> = (0..rows).map(|_| random.random_range(0..count)).collect();
        let each_part = parts.iter().max().map_or(0, |most| most + 1);
        let (mut swap, mut scale) = (Vec::with_capacity(rows * parts.len()), Vec::with_capacity(rows * parts.len()));
        for changed in &changed {
            let of_part = |random: &mut StdRng| {
                let normal: f32 = random.sample(StandardNormal);
                (*changed && random.random_bool(self.swap), 1.0 + self.scale as f32 * normal)
            };
            let drawn: Vec<(bool, f32)> = (0..each_part).map(|_| of_part(random)).collect();
            swap.extend(parts.iter().map(|part| drawn[*part].0));
            scale.extend(parts.iter().map(|part| if *changed { drawn[*part].1 } else { 1.0 }));
        }
        let noise: Vec<f32> = changed
            .iter()
            .flat_map(|changed| {
                let deviation = if *changed { self.noise as f32 } else { 0.0 };
                (0..parts.len()).map(move |_| deviation)
            })
            .map(|deviation| deviation * random.sample::<f32, _>(StandardNormal))
            .collect();
        let place = |tensor: Tensor| tensor.view([rows as i64, -1]).to_device(values.device());
        let other = pool.index_select(0, &Tensor::from_slice(&others).to_device(pool.device()));
        let mixed = other.where_self(&place(Tensor::from_slice(&swap)), values);
        let [scale, noise] = [scale, noise].map(|numbers| place(Tensor::from_slice(&numbers)).to_kind(values.kind()));
        // Unchanged rows keep their bits: a difference from the mean that is added again would not.
        let moved = mean + (mixed - mean) * scale + noise;
        let mask = Tensor::from_slice(&changed).view([-1, 1]).to_device(values.device());
        (moved.where_self(&mask, values), changed)
    }
}
