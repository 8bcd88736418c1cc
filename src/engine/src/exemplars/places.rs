//! Examples held against points that may be seen from anywhere, of a body of any size.

use tch::{Device, Kind, Tensor};
use thalweg_task::{LEAST_DEPTH, Observation, Pair, Reconstruction, Root, Similarity, TaskSpec, numbers, tell_turn};

use super::{Along, BLOCK, Layout, Near, Wanted};

/// Range of sizes against the task's own body; the search that follows has the task's.
const SCALES: [f64; 2] = [0.2, 5.0];
/// Spread across a line, metres, below which points do not tell how a body is turned: what trackers are off by.
const LINE: f64 = 0.03;
/// Added to the variance of a place between examples, square metres, where the first transform weighs places by it.
const STEADY: f64 = 1e-3;

/// Rays below which even a root of before does not say enough to tell poses apart. A guess.
const FEWEST_RAYS: usize = 4;
/// Steps towards rays, which have no closed form. A guess.
const STEPS: usize = 3;

/// Points as they were seen, or their mirror image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    AsSeen,
    Mirrored,
}

/// A point that was seen.
#[derive(Clone, Copy, Debug)]
struct SeenPoint {
    point: usize,
    /// Metres; of a ray x / z and y / z.
    place: [f64; 3],
    /// Factor of a residual.
    weight: f64,
    is_ray: bool,
}

/// Where examples have the points of their task, and what was seen of them.
#[derive(Debug)]
pub(super) struct Places {
    /// Coordinates in the task's own frame, metres: `M = 3 P`.
    pub(super) layout: Layout,
    /// The mean of each point over the examples, `[P, 3]`, and how much it tells of where the body stands: the inverse of
    /// its deviation.
    mean: Vec<([f64; 3], f64)>,
    /// Whether points may be rays.
    rays: bool,
    seen: Vec<SeenPoint>,
    /// The present transform from the task's own frame to where points were seen, and the sizes that it may have.
    root: Option<Similarity>,
    scales: [f64; 2],
    pairs: Vec<Pair>,
}

impl Places {
    /// Takes what the task renders of all examples; none where it has no points that may be seen from anywhere.
    pub(super) fn new(spec: &TaskSpec, rendered: &Reconstruction) -> Option<Self> {
        let spec = spec.points.as_ref().filter(|points| points.frame.is_empty())?;
        let count = spec.names.len() as i64;
        let points = rendered.points.as_ref()?;
        let (examples, values) = (points.size()[0], points.narrow(1, 0, count).reshape([-1, 3 * count]));
        let numbers_of = |values: &Tensor| numbers::<f64>(&values.to_kind(Kind::Double));
        let mean = numbers_of(&values.mean_dim(0i64, false, Kind::Double));
        let variance = numbers_of(&values.var_dim(0i64, examples > 1, false));
        let tells = |variance: &[f64; 3]| 1.0 / (variance.iter().sum::<f64>() + STEADY).sqrt();
        let mean = mean.as_chunks::<3>().0.iter().copied();
        let mean = mean.zip(variance.as_chunks::<3>().0.iter().map(tells)).collect();
        let layout = Layout::new(vec![count, 3], &values.to_kind(Kind::Float).to_device(Device::Cpu));
        let (rays, seen, pairs) = (spec.rays, Vec::new(), Vec::new());
        Some(Self { layout, mean, rays, seen, root: None, scales: SCALES, pairs })
    }

    /// Takes a row of what was seen, and where the body stands by the root of before, or else as the mean of all examples
    /// lies in it; whether that tells anything. Of rays the root of before must tell it.
    pub(super) fn see(&mut self, obs: &Observation, row: usize, side: Side) -> bool {
        self.note(obs, row as i64);
        let places = self.seen.iter().filter(|seen| !seen.is_ray);
        let is_told = tell_turn(places.map(|seen| seen.place), LINE);
        // Where sides are swapped the body of before was turned about: its root misleads.
        let before = obs.root.filter(|before: &Root| before.is_seen && side == Side::AsSeen);
        self.scales = SCALES;
        if side == Side::Mirrored {
            // How a mirror image would look to a camera, rays alone do not tell.
            if self.seen.iter().any(|seen| seen.is_ray) {
                self.root = None;
                return false;
            }
            self.seen.iter_mut().for_each(|seen| seen.place[0] = -seen.place[0]);
        }
        self.root = match before {
            Some(before) if is_told => Some(Similarity::of_root(&before)),
            None if is_told => Some(self.as_the_mean()),
            Some(before) if self.seen.len() >= FEWEST_RAYS => {
                self.scales = [before.scale; 2];
                Some(Similarity::of_root(&before))
            }
            _ => None,
        };
        self.root.is_some()
    }

    /// Notes the points of a row that were seen.
    fn note(&mut self, obs: &Observation, row: i64) {
        let Self { mean, rays, seen, .. } = self;
        seen.clear();
        let Some(points) = &obs.points else { return };
        let (values, there): (Vec<f64>, Vec<bool>) =
            (numbers(&points.value().get(row)), numbers(&points.observed().get(row)));
        let confidence = obs.confidence.as_ref().map(|shares| numbers::<f64>(&shares.get(row)));
        let points = values.as_chunks::<3>().0.iter().zip(there.as_chunks::<3>().0);
        for (point, ([x, y, z], there)) in points.take(mean.len()).enumerate() {
            let weight = confidence.as_ref().map_or(1.0, |shares| shares[point].sqrt());
            let is_ray = *rays && *there == [true, true, false];
            if weight > 0.0 && (is_ray || *there == [true; 3]) {
                seen.push(SeenPoint { point, place: [*x, *y, if is_ray { 0.0 } else { *z }], weight, is_ray });
            }
        }
    }

    /// The transform in which the mean of all examples lies in what was seen; points that move little count most.
    fn as_the_mean(&mut self) -> Similarity {
        let Self { mean, seen, pairs, .. } = self;
        pairs.clear();
        pairs.extend(seen.iter().map(|seen| {
            let (own, tells) = mean[seen.point];
            Pair { own, seen: seen.place, weight: seen.weight * tells, is_ray: seen.is_ray }
        }));
        Similarity::fit(pairs, SCALES)
    }

    /// What was seen, in the task's own frame: what examples are held against.
    ///
    /// Of a ray (x, y) the point P = s R p + t fulfils `P_x - x P_z = 0` and `P_y - y P_z = 0`, which is linear in p.
    pub(super) fn want(&self, wanted: &mut Vec<Wanted>, along: &mut Vec<Along>) {
        wanted.clear();
        along.clear();
        let Some(root) = &self.root else { return };
        let origin = root.put([0.0; 3]);
        let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(|axis| {
            let put = root.put(axis);
            [0, 1, 2].map(|at| (put[at] - origin[at]) / root.scale())
        });
        for SeenPoint { point, place, weight, is_ray } in &self.seen {
            let (column, weight) = (3 * point, (weight * weight) as f32);
            if *is_ray {
                along.extend([0, 1].map(|at| Along {
                    column,
                    factors: axes.map(|axis| (axis[at] - place[at] * axis[2]) as f32),
                    value: ((place[at] * origin[2] - origin[at]) / root.scale()) as f32,
                    weight,
                }));
            } else {
                let own = root.back(*place);
                wanted.extend([0, 1, 2].map(|axis| Wanted { column: column + axis, value: own[axis] as f32, weight }));
            }
        }
    }

    /// Holds each of the nearest against what was seen as it lies best, and orders them anew; the transform is then the
    /// nearest one's.
    pub(super) fn rank(&mut self, nearest: &mut [Near]) {
        let Self { layout, seen, root, scales, pairs, .. } = self;
        let Some(from) = *root else { return };
        let depth = from.put([0.0; 3])[2].max(LEAST_DEPTH);
        let mut best: Option<(f32, Similarity)> = None;
        for near in nearest.iter_mut() {
            let own = |point: usize| [0, 1, 2].map(|axis| f64::from(layout.value(near.example, 3 * point + axis)));
            pairs.clear();
            pairs.extend(seen.iter().map(|SeenPoint { point, place, weight, is_ray }| {
                let weight = if *is_ray { weight * depth } else { *weight };
                Pair { own: own(*point), seen: *place, weight, is_ray: *is_ray }
            }));
            let has_rays = pairs.iter().any(|pair| pair.is_ray);
            let fit = if has_rays { from.refined(pairs, *scales, STEPS) } else { Similarity::fit(pairs, *scales) };
            let squares = pairs.iter().flat_map(|pair| fit.residual(pair)).map(|residual| residual * residual);
            near.distance = (squares.sum::<f64>() / (fit.scale() * fit.scale())) as f32;
            if best.is_none_or(|(least, _)| near.distance < least) {
                best = Some((near.distance, fit));
            }
        }
        nearest.sort_by(|one, other| one.distance.total_cmp(&other.distance).then(one.example.cmp(&other.example)));
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
    use thalweg_task::{Masked, PointsSpec};

    use super::super::{LOOKS, look_up};
    use super::*;
    use crate::native::arches;
    use crate::prior::tests::two_numbers;

    const EXAMPLES: usize = 300;
    const POINTS: usize = 7;

    fn spec(frame: &str) -> TaskSpec {
        let names = (0..POINTS).map(|point| format!("p{point}")).collect();
        let points = PointsSpec { names, frame: frame.to_owned(), tracker: None, cloud: 0, rays: true };
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

    fn nearest(places: &mut Places, obs: &Observation, side: Side) -> Option<Vec<Near>> {
        let (mut wanted, mut along, mut nearest, mut blocks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        places.see(obs, 0, side).then(|| {
            for _ in 0..LOOKS {
                places.want(&mut wanted, &mut along);
                look_up(&places.layout, arches()[0], (&wanted, &along), (&mut nearest, &mut blocks));
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
                let found = nearest(&mut places, &seen(own, &stands, unseen, before), Side::AsSeen)
                    .expect("points tell a turn");
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
        assert!(nearest(&mut places, &seen(own, &stands, &[0, 1, 2, 3, 4], Some(stands)), Side::AsSeen).is_none());
        assert!(Places::new(&spec("pelvis"), &rendered(&all)).is_none());
    }

    /// One camera, a root of before that is off by some centimetres and degrees: the example is found by rays, and not
    /// without that root.
    #[test]
    fn an_example_is_found_by_rays_from_a_root_nearby() {
        let mut random = StdRng::seed_from_u64(9);
        let all = examples(&mut random);
        let mut places = Places::new(&spec(""), &rendered(&all)).expect("points");
        let mut found = 0;
        for example in 0..40 {
            let (own, stands) = (&all[example * POINTS..][..POINTS], root(&mut random));
            let ray = |place: [f64; 3]| [place[0] / place[2], place[1] / place[2], f64::NAN];
            let rays: Vec<[f64; 3]> = own.iter().map(|own| ray(stands.place(*own))).collect();
            let points = Masked::new(&Tensor::from_slice(rays.as_flattened()).view([1, POINTS as i64, 3]));
            let [x, y, z] = stands.position;
            let before = Root { position: [x + 0.02, y - 0.02, z + 0.03], ..stands };
            let obs = |root| Observation { points: Some(points.shallow_clone()), root, ..Observation::default() };
            assert!(nearest(&mut places, &obs(None), Side::AsSeen).is_none());
            let nearest = nearest(&mut places, &obs(Some(before)), Side::AsSeen).expect("rays and a root");
            found += usize::from(nearest[0].example == example && nearest[0].distance < 1e-4);
        }
        assert_eq!(found, 40);
    }

    /// A body that is not its own mirror image: its mirror image fits worse, and better where sides were swapped.
    #[test]
    fn a_mirror_image_is_told_from_the_body() {
        let mut random = StdRng::seed_from_u64(10);
        let all = examples(&mut random);
        let mut places = Places::new(&spec(""), &rendered(&all)).expect("points");
        for example in (0..EXAMPLES).step_by(11) {
            let (own, stands) = (&all[example * POINTS..][..POINTS], root(&mut random));
            let swapped: Vec<[f64; 3]> = own.iter().map(|[x, y, z]| [-x, *y, *z]).collect();
            let mut misfit = |own: &[[f64; 3]], side| {
                nearest(&mut places, &seen(own, &stands, &[], None), side).expect("points tell a turn")[0].distance
            };
            assert!(misfit(own, Side::AsSeen) < misfit(own, Side::Mirrored));
            assert!(misfit(&swapped, Side::Mirrored) < misfit(&swapped, Side::AsSeen));
        }
    }
}
