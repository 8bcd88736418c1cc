//! Examples held against points that may be seen from anywhere, of a body of any size.

use tch::{Kind, Tensor};
use thalweg_task::{Observation, Pair, Reconstruction, Root, Similarity, TaskSpec, numbers, tell_turn};

use super::{BLOCK, Layout, Near, Wanted};

/// Range of sizes against the task's own body; the search that follows has the task's.
const SCALES: [f64; 2] = [0.2, 5.0];
/// Spread across a line, metres, below which points do not tell how a body is turned: what trackers are off by.
const LINE: f64 = 0.03;
/// Added to the variance of a place between examples, square metres, where the first transform weighs places by it.
const STEADY: f64 = 1e-3;

/// Where examples have the points of their task, and what was seen of them.
#[derive(Debug)]
pub(super) struct Places {
    /// Coordinates in the task's own frame, metres: `M = 3 P`.
    pub(super) layout: Layout,
    /// The mean of each point over the examples, `[P, 3]`, and how much it tells of where the body stands: the inverse of
    /// its variance.
    mean: Vec<([f64; 3], f64)>,
    /// The points of a row that were seen, and how much they count: factors of residuals.
    seen: Vec<(usize, [f64; 3], f64)>,
    /// The present transform from the task's own frame to where points were seen.
    root: Option<Similarity>,
    pairs: Vec<Pair>,
}

impl Places {
    /// Takes what the task renders of all examples; none where it has no points that may be seen from anywhere.
    pub(super) fn new(spec: &TaskSpec, rendered: &Reconstruction) -> Option<Self> {
        let count = spec.points.as_ref().filter(|points| points.frame.is_empty())?.names.len() as i64;
        let points = rendered.points.as_ref()?;
        let (examples, values) = (points.size()[0], points.narrow(1, 0, count).reshape([-1, 3 * count]));
        let of_place = |values: &Tensor| numbers::<f64>(&values.to_kind(Kind::Double));
        let mean = of_place(&values.mean_dim(0i64, false, Kind::Double));
        let variance = of_place(&values.var_dim(0i64, examples > 1, false));
        let tells = |variance: &[f64; 3]| 1.0 / (variance.iter().sum::<f64>() + STEADY).sqrt();
        let mean = mean.as_chunks::<3>().0.iter().copied();
        let mean = mean.zip(variance.as_chunks::<3>().0.iter().map(tells)).collect();
        let layout = Layout::new(vec![count, 3], &values.to_kind(Kind::Float).to_device(tch::Device::Cpu));
        Some(Self { layout, mean, seen: Vec::new(), root: None, pairs: Vec::new() })
    }

    /// Takes a row of what was seen, and where the body stands by the root of before, or else as the mean of all examples
    /// lies in it; whether that tells anything.
    pub(super) fn see(&mut self, obs: &Observation, row: usize) -> bool {
        let Self { mean, seen, root, pairs, .. } = self;
        seen.clear();
        let Some(points) = &obs.points else { return false };
        let row = row as i64;
        let (values, there): (Vec<f64>, Vec<bool>) =
            (numbers(&points.value().get(row)), numbers(&points.observed().get(row)));
        let confidence = obs.confidence.as_ref().map(|shares| numbers::<f64>(&shares.get(row)));
        for (point, (value, there)) in
            values.as_chunks().0.iter().zip(there.as_chunks::<3>().0).take(mean.len()).enumerate()
        {
            let weight = confidence.as_ref().map_or(1.0, |shares| shares[point].sqrt());
            if *there == [true; 3] && weight > 0.0 {
                seen.push((point, *value, weight));
            }
        }
        if !tell_turn(seen.iter().map(|(_, place, _)| *place), LINE) {
            return false;
        }
        let before = obs.root.filter(|before: &Root| before.is_seen);
        *root = Some(before.map_or_else(
            || {
                pairs.clear();
                pairs.extend(seen.iter().map(|(point, seen, weight)| {
                    let (own, tells) = mean[*point];
                    Pair { own, seen: *seen, weight: weight * tells }
                }));
                Similarity::fit(pairs, SCALES)
            },
            |before| Similarity::of_root(&before),
        ));
        true
    }

    /// What was seen, in the task's own frame: what examples are held against.
    pub(super) fn want(&self, wanted: &mut Vec<Wanted>) {
        wanted.clear();
        let Some(root) = &self.root else { return };
        for (point, seen, weight) in &self.seen {
            let weight = (weight * weight) as f32;
            let own = root.back(*seen);
            wanted.extend((0..3).map(|axis| Wanted { column: 3 * point + axis, value: own[axis] as f32, weight }));
        }
    }

    /// Holds each of the nearest against what was seen as it lies best, and orders them anew; the transform is then the
    /// nearest one's.
    pub(super) fn rank(&mut self, nearest: &mut [Near]) {
        let Self { layout, seen, root, pairs, .. } = self;
        let mut best: Option<(f32, Similarity)> = None;
        for near in nearest.iter_mut() {
            let own = |point: usize| [0, 1, 2].map(|axis| f64::from(layout.value(near.example, 3 * point + axis)));
            pairs.clear();
            pairs.extend(seen.iter().map(|(point, seen, weight)| Pair {
                own: own(*point),
                seen: *seen,
                weight: *weight,
            }));
            let fit = Similarity::fit(pairs, SCALES);
            let square = |pair: &Pair| {
                let back = fit.back(pair.seen);
                let apart: f64 = back.iter().zip(pair.own).map(|(seen, own)| (seen - own) * (seen - own)).sum();
                pair.weight * pair.weight * apart
            };
            near.distance = pairs.iter().map(square).sum::<f64>() as f32;
            if best.is_none_or(|(least, _)| near.distance < least) {
                best = Some((near.distance, fit));
            }
        }
        nearest.sort_by(|one, other| one.key().partial_cmp(&other.key()).unwrap_or(std::cmp::Ordering::Equal));
        *root = best.map(|(_, fit)| fit).or(*root);
    }
}

impl Layout {
    /// A value of an example.
    fn value(&self, example: usize, column: usize) -> f32 {
        self.values[(example / BLOCK * self.columns() + column) * BLOCK + example % BLOCK]
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use tch::Device;
    use thalweg_task::PointsSpec;

    use super::super::{LOOKS, look_up};
    use super::*;
    use crate::native::arches;
    use crate::prior::tests::two_numbers;

    const EXAMPLES: usize = 300;
    const POINTS: usize = 7;

    fn spec(frame: &str) -> TaskSpec {
        let names = (0..POINTS).map(|point| format!("p{point}")).collect();
        let points = PointsSpec { names, frame: frame.to_owned(), tracker: None, cloud: 0 };
        TaskSpec { points: Some(points), ..two_numbers(Vec::new()) }
    }

    /// Examples with a trunk of four points, as good as still, and a limb of three.
    fn examples(random: &mut StdRng) -> Vec<[f64; 3]> {
        let still = [[0.0, 0.0, 0.0], [0.2, 0.0, 0.0], [0.2, 0.5, 0.0], [-0.2, 0.5, 0.1]];
        let point = |point: usize, random: &mut StdRng| {
            let by = if point < still.len() { 0.01 } else { 0.6 };
            let of = still.get(point).copied().unwrap_or([0.3, 0.3, 0.0]);
            of.map(|axis| axis + random.random_range(-by..by))
        };
        (0..EXAMPLES * POINTS).map(|at| point(at % POINTS, random)).collect()
    }

    fn root(random: &mut StdRng) -> Root {
        let mut number = || random.random_range(-1.0..1.0f64);
        let mut rotation = [number(), number(), number(), number()];
        let length = rotation.iter().map(|entry| entry * entry).sum::<f64>().sqrt();
        rotation.iter_mut().for_each(|entry| *entry /= length);
        let (position, scale) = ([3.0 * number(), number(), 3.0 + number()], 1.0 + 0.4 * number());
        Root { position, rotation, scale, is_seen: true, misfit: 0.0 }
    }

    fn seen(own: &[[f64; 3]], root: &Root, unseen: &[usize], before: Option<Root>) -> Observation {
        let place = |(at, own): (usize, &[f64; 3])| if unseen.contains(&at) { [f64::NAN; 3] } else { root.place(*own) };
        let points: Vec<[f64; 3]> = own.iter().enumerate().map(place).collect();
        let points = Tensor::from_slice(points.as_flattened()).view([1, POINTS as i64, 3]);
        Observation { root: before, ..Observation::of_points(&points) }
    }

    fn nearest(places: &mut Places, obs: &Observation) -> Option<Vec<Near>> {
        let (mut wanted, mut nearest, mut blocks) = (Vec::new(), Vec::new(), Vec::new());
        places.see(obs, 0).then(|| {
            for _ in 0..LOOKS {
                places.want(&mut wanted);
                look_up(&places.layout, arches()[0], &wanted, (&mut nearest, &mut blocks));
                places.rank(&mut nearest);
            }
            nearest
        })
    }

    fn rendered(points: &[[f64; 3]]) -> Reconstruction {
        let points = Tensor::from_slice(points.as_flattened()).view([EXAMPLES as i64, POINTS as i64, 3]);
        Reconstruction { points: Some(points.to_device(Device::Cpu)), ..Reconstruction::default() }
    }

    /// Wherever a body stands, however large it is, with a root of before or without, and with points unseen.
    #[test]
    fn an_example_is_found_by_its_points_from_anywhere() {
        let mut random = StdRng::seed_from_u64(7);
        let all = examples(&mut random);
        let mut places = Places::new(&spec(""), &rendered(&all)).expect("points");
        for example in (0..EXAMPLES).step_by(7) {
            let (own, stands) = (&all[example * POINTS..][..POINTS], root(&mut random));
            for (unseen, before) in [(&[][..], None), (&[1, 5], None), (&[0, 6], Some(stands))] {
                let found = nearest(&mut places, &seen(own, &stands, unseen, before)).expect("points tell a turn");
                assert_eq!(found[0].example, example, "{unseen:?} {before:?} {stands:?}");
                assert!(found[0].distance < 1e-9, "{}", found[0].distance);
                assert!(found.windows(2).all(|pair| pair[0].key() <= pair[1].key()));
            }
        }
    }

    #[test]
    fn points_that_tell_no_turn_and_tasks_with_a_frame_ask_no_examples() {
        let mut random = StdRng::seed_from_u64(8);
        let all = examples(&mut random);
        let mut places = Places::new(&spec(""), &rendered(&all)).expect("points");
        let (own, stands) = (&all[..POINTS], root(&mut random));
        assert!(nearest(&mut places, &seen(own, &stands, &[0, 1, 2, 3, 4], Some(stands))).is_none());
        assert!(Places::new(&spec("pelvis"), &rendered(&all)).is_none());
    }
}
