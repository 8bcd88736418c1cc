//! Places of a body that stands anywhere, of any size, and clouds around it: what is compared, and where its root is.

use tch::{Kind, Tensor};
use thalweg_task::{
    Block, CloudParameters, Masked, Observation, Pair, Root, Similarity, SurfaceFit, Target, TreeSurface, numbers,
    tell_turn,
};

use crate::keypoints::Leaf;
use crate::shape::{Guess, capsules};
use crate::skeleton::{JOINTS, OFFSETS, PARENTS, TIPS};

/// Four points of the pelvis that stand where they stood, so lightly that they decide only what nothing else does: the
/// root of before, where too few points are seen to tell a new one. Metres in the pelvis frame.
pub(crate) const ANCHORS: [[f64; 3]; 4] = [[0.3, 0.0, 0.0], [-0.3, 0.0, 0.0], [0.0, 0.3, 0.0], [0.0, 0.0, 0.3]];

/// How much an anchor counts beside a point, as a factor of a residual, where there is a root of before. A step of a
/// tenth of a metre from frame to frame then lags by a twentieth of a millimetre where ten points are seen.
const HELD: f64 = 0.03;
/// As [`HELD`], where a cloud tells the root, from one side and without names.
const HELD_IN_CLOUD: f64 = 0.1;
/// As [`HELD`], where too few points tell the root: as much as a point, or the whole body would turn for one hand.
const LOST: f64 = 1.0;
/// As [`HELD`], where there is none and the root stands upright in the frame of what was seen.
const UPRIGHT: f64 = 3e-4;
/// Spread across a line, metres, below which points count as on it: what trackers are off by.
const LINE: f64 = 0.03;
/// Points of a cloud from which on it tells the root.
const FEWEST: usize = 30;
/// Share of them that must lie within [`CloudParameters::SCALE`] of the surface for the root to count as seen.
const SEEN: f64 = 0.5;

/// Points of a row that have a weight: a cloud.
type Points = Vec<([f64; 3], f64)>;

/// A root that is found from places, and from a cloud.
#[derive(Debug)]
pub(crate) struct FreeRoot {
    /// Points of the task that are no joints.
    leaves: Vec<Leaf>,
    /// Residual's factor of a metre for each point of the task, pelvis and joints first.
    weights: Vec<f64>,
    /// Least and greatest size.
    scale: [f64; 2],
    /// Where a cloud is observed: how much all of it counts, and what it is held against.
    cloud: Option<(f64, TreeSurface)>,
}

impl FreeRoot {
    pub(crate) fn new(leaves: Vec<Leaf>, weights: Vec<f64>, scale: [f64; 2], cloud: &CloudParameters) -> Self {
        // Joints, the pelvis, other points, anchors, then the tips of limbs.
        let anchors = JOINTS + 1 + leaves.len();
        let surface = |gate: f64| TreeSurface {
            capsules: capsules(anchors + ANCHORS.len()),
            scale: CloudParameters::SCALE,
            gate,
            anchors: anchors..anchors + ANCHORS.len(),
            line: LINE,
        };
        let cloud = (cloud.weight > 0.0).then(|| (cloud.weight, surface(cloud.gate)));
        Self { leaves, weights, scale, cloud }
    }

    /// The least and the greatest size.
    pub(crate) fn scale(&self) -> [f64; 2] {
        self.scale
    }

    /// What a cloud is held against, where one is observed.
    pub(crate) fn surface(&self) -> Option<&TreeSurface> {
        self.cloud.as_ref().map(|(_, surface)| surface)
    }

    /// What hangs on joints and pelvis without turning anything, behind the joints in a target: the pelvis itself, the
    /// task's other points, the anchors, and, where a cloud is observed, the tips of limbs.
    pub(crate) fn leaves(&self) -> Vec<(Option<usize>, [f64; 3])> {
        let pelvis = (None, [0.0; 3]);
        let points = self.leaves.iter().map(|leaf| (leaf.joint, leaf.offset));
        let anchors = ANCHORS.iter().map(|anchor| (None, *anchor));
        let tips = TIPS.iter().map(|tip| (Some(tip.joint), tip.offset)).filter(|_| self.cloud.is_some());
        std::iter::once(pelvis).chain(points).chain(anchors).chain(tips).collect()
    }

    /// How many of the leaves are points of the task, with the pelvis.
    pub(crate) fn points(&self) -> usize {
        1 + self.leaves.len()
    }

    /// Rows of a target that has places, without a cloud.
    fn rows(&self) -> usize {
        JOINTS + self.points() + ANCHORS.len() + self.cloud.as_ref().map_or(0, |_| TIPS.len())
    }

    /// Parents and offsets of all rows of a target that has places.
    pub(crate) fn tree(&self) -> (Vec<Option<usize>>, Vec<[f64; 3]>) {
        let leaves = self.leaves();
        let parents = PARENTS.into_iter().chain(leaves.iter().map(|leaf| leaf.0)).collect();
        (parents, OFFSETS.into_iter().chain(leaves.iter().map(|leaf| leaf.1)).collect())
    }

    /// Values and weights of places, then of a cloud, `[O, rows + N, 4]`: three coordinates and how much they count; none
    /// where nothing is known of the root.
    ///
    /// A point counts when all of its coordinates were seen; all points of a cloud together as one place of each joint.
    /// `pose` gives the places of all rows of a target, metres in the pelvis frame, of a row of the observation, as far as
    /// angles tell them.
    pub(crate) fn encode(&self, obs: &Observation, pose: &dyn Fn(i64) -> Vec<[f64; 3]>) -> Option<Tensor> {
        let rows = obs.rows();
        let (named, clouds) = obs.points.as_ref().map_or_else(Default::default, |points| self.seen(points, obs));
        let is_seen = named.iter().any(|point| point[3] > 0.0);
        let in_cloud = clouds.iter().map(Vec::len).max().unwrap_or(0);
        if !is_seen && in_cloud == 0 && obs.root.is_none() {
            return None;
        }
        let count = self.weights.len();
        let all = self.rows() + in_cloud;
        let mut places = Vec::with_capacity(rows as usize * all);
        for row in 0..rows as usize {
            let nothing = vec![[0.0; 4]; count];
            let points = if is_seen { &named[row * count..][..count] } else { &nothing };
            let cloud = clouds.get(row).map_or(&[][..], |cloud| &cloud[..]);
            // Joints come first, then the pelvis and the others.
            places.extend(points[1..=JOINTS].iter().chain(&points[..1]).chain(&points[JOINTS + 1..]).copied());
            places.extend(self.anchors(points, cloud, obs.root, &|| pose(row as i64)));
            let end = (row + 1) * all;
            places.resize(end - in_cloud, [0.0; 4]);
            places.extend(cloud.iter().map(|([x, y, z], weight)| [*x, *y, *z, *weight]));
            places.resize(end, [0.0; 4]);
        }
        Some(Tensor::from_slice(places.as_flattened()).view([rows, all as i64, 4]))
    }

    /// Coordinates and weight of each point of all rows that has a name, and the points of clouds that were seen.
    fn seen(&self, points: &Masked, obs: &Observation) -> (Vec<[f64; 4]>, Vec<Points>) {
        let (values, seen) = (numbers::<f64>(points.value()), numbers::<bool>(points.observed()));
        let (values, seen) = (values.as_chunks::<3>().0, seen.as_chunks::<3>().0);
        let confidence = obs.confidence.as_ref().map(numbers::<f64>);
        // A residual is squared.
        let counts = |at: usize| confidence.as_ref().map_or(1.0, |confidence| confidence[at].sqrt());
        let (named, all) = (self.weights.len(), points.value().size()[1] as usize);
        let (mut of_names, mut clouds) = (Vec::new(), Vec::new());
        for first in (0..values.len()).step_by(all) {
            of_names.extend(self.weights.iter().enumerate().map(|(place, weight)| {
                let ([x, y, z], weight) = (values[first + place], weight * counts(first + place));
                if seen[first + place] == [true; 3] && weight > 0.0 { [x, y, z, weight] } else { [0.0; 4] }
            }));
            let in_cloud = first + named..first + all;
            let there = in_cloud.clone().filter(|at| seen[*at] == [true; 3]).count();
            let share = (JOINTS as f64 / there.max(1) as f64).min(1.0).sqrt();
            let weight = self.cloud.as_ref().map_or(0.0, |(weight, _)| weight * share);
            let point = |at: usize| (values[at], weight * counts(at));
            let cloud = in_cloud.filter(|at| seen[*at] == [true; 3]).map(point);
            clouds.push(cloud.filter(|(_, weight)| *weight > 0.0).collect());
        }
        (of_names, clouds)
    }

    /// Where the anchors stood, and how much that counts.
    fn anchors(
        &self,
        points: &[[f64; 4]],
        cloud: &[([f64; 3], f64)],
        before: Option<Root>,
        pose: &dyn Fn() -> Vec<[f64; 3]>,
    ) -> [[f64; 4]; ANCHORS.len()] {
        let seen = points.iter().filter(|point| point[3] > 0.0).map(|[x, y, z, _]| [*x, *y, *z]);
        let typical = self.weights.iter().sum::<f64>() / self.weights.len() as f64;
        let is_told = tell_turn(seen.clone(), LINE);
        let (root, share) = match (before, self.surface()) {
            (Some(root), _) if is_told => (root, HELD),
            (None, _) if is_told => return [[0.0; 4]; ANCHORS.len()],
            (_, Some(surface)) if cloud.len() >= FEWEST => {
                let places = pose();
                let guess = Guess { surface, places: &places, scale: self.scale };
                let kept = before.filter(|root| guess.is_near(root, cloud));
                (kept.unwrap_or_else(|| guess.root(cloud, &self.pairs(points, &places))), HELD_IN_CLOUD)
            }
            (Some(root), _) => (root, LOST),
            (None, _) => {
                let count = seen.clone().count().max(1) as f64;
                let mean = |axis: usize| seen.clone().map(|point| point[axis]).sum::<f64>() / count;
                let (position, rotation) = ([mean(0), mean(1), mean(2)], [0.0, 0.0, 0.0, 1.0]);
                let scale = 1f64.clamp(self.scale[0], self.scale[1]);
                (Root { position, rotation, scale, is_seen: false, misfit: 0.0 }, UPRIGHT)
            }
        };
        ANCHORS.map(|anchor| {
            let [x, y, z] = root.place(anchor);
            [x, y, z, share * typical]
        })
    }

    /// Points with names beside where a pose has them; `places` are those of all rows of a target.
    fn pairs(&self, points: &[[f64; 4]], places: &[[f64; 3]]) -> Vec<Pair> {
        let row = |point: usize| {
            if point == 0 {
                JOINTS
            } else if point <= JOINTS {
                point - 1
            } else {
                point
            }
        };
        let pair = |(point, [x, y, z, weight]): (usize, &[f64; 4])| Pair {
            own: places[row(point)],
            seen: [*x, *y, *z],
            weight: *weight,
        };
        points.iter().enumerate().filter(|(_, point)| point[3] > 0.0).map(pair).collect()
    }

    /// Finds the root of each row of places, `[K, rows, 3]`, in the pelvis frame; empty where the target has no places.
    pub(crate) fn roots(&self, places: &Tensor, target: &Target) -> Vec<Root> {
        let Some(scenes) = scenes(places, target) else { return Vec::new() };
        scenes.into_iter().map(|scene| self.root(&scene)).collect()
    }

    fn root(&self, scene: &Scene) -> Root {
        let is_named = |pair: &&Pair| pair.weight > 0.0;
        let seen: Vec<Pair> = scene.pairs[..JOINTS + self.points()].iter().filter(is_named).copied().collect();
        let is_told = tell_turn(seen.iter().map(|pair| pair.seen), LINE);
        let Some((surface, mut found)) = self.surface().filter(|_| !scene.blocks.is_empty()).zip(self.fit(scene))
        else {
            return Similarity::fit(&scene.pairs, self.scale).root(&seen, is_told);
        };
        let fit = self.find(scene, surface, &mut found);
        let pulls = found.pulls(&scene.blocks, &fit, surface);
        // Half of a square at the scale of the loss.
        let limit = surface.scale * surface.scale / 2.0;
        let squares = pulls.iter().map(|pull| (pull.residual / pull.weight).powi(2));
        let near = squares.clone().filter(|square| *square <= limit).count();
        let is_seen = is_told || pulls.len() >= FEWEST && near as f64 >= SEEN * pulls.len() as f64;
        let root = fit.root(&seen, is_seen);
        // As robust as the loss, on the task's own body.
        let named = root.misfit.powi(2) * seen.len() as f64;
        let of_cloud = squares.sum::<f64>() / fit.scale().powi(2);
        let misfit = ((named + of_cloud) / (seen.len() + pulls.len()) as f64).sqrt();
        Root { misfit: if misfit.is_finite() { misfit.min(Root::REACH) } else { Root::REACH }, ..root }
    }

    /// A fit whose capsules lie where the pose puts them.
    fn fit(&self, scene: &Scene) -> Option<SurfaceFit<f64>> {
        let surface = self.surface()?;
        let mut found = SurfaceFit::new(surface.capsules.len());
        found.place(surface, |place| scene.pairs[place].own);
        Some(found)
    }

    /// Finds the transform of a row as the native engine does.
    fn find(&self, scene: &Scene, surface: &TreeSurface, found: &mut SurfaceFit<f64>) -> Similarity {
        let counts = |(_, pair): &(usize, &Pair)| pair.weight != 0.0;
        let weighed: Vec<(usize, Pair)> =
            scene.pairs.iter().enumerate().filter(counts).map(|(at, pair)| (at, *pair)).collect();
        let anchors = weighed.iter().filter(|(at, _)| surface.anchors.contains(at)).count();
        let pairs: Vec<Pair> = weighed.into_iter().map(|(_, pair)| pair).collect();
        found.find(&scene.blocks, (&pairs, anchors), (self.scale, None), surface)
    }

    /// The residuals `w (s R p + t - q)` of places p, `[K, rows, 3]`, at the similarity for which their squares are least,
    /// turned into the body's frame, those of a cloud, and that of the size: `[K, rows * 3 + N + 1]`.
    ///
    /// They are differentiable as if the similarity followed the places by a Gauss-Newton step: what it takes up is taken
    /// out, which changes no value. So `J'J` is the matrix of pose and similarity together, the similarity eliminated.
    pub(crate) fn residual(&self, places: &Tensor, target: &Target) -> Tensor {
        let Some(scenes) = scenes(places, target) else { return places.flatten(1, -1) * 0.0 };
        let (rows, count, all) = (places.size()[0], places.size()[1], target.value.size()[1]);
        let in_cloud = (all - count) as usize;
        let (mut values, mut weights, mut columns, mut cloud) =
            (Vec::new(), Vec::new(), Vec::new(), Touched::default());
        for scene in &scenes {
            let found = self.surface().filter(|_| in_cloud > 0).zip(self.fit(scene));
            let (fit, touched) = match found {
                Some((surface, mut found)) => {
                    let fit = self.find(scene, surface, &mut found);
                    let columns = cloud.add(scene, &fit, (surface, &mut found), in_cloud);
                    (fit, columns)
                }
                None => (Similarity::fit(&scene.pairs, self.scale), Vec::new()),
            };
            for pair in &scene.pairs {
                values.extend(fit.back(pair.seen));
                weights.extend([pair.weight * fit.scale(); 3]);
                columns.extend(fit.columns(pair.own, pair.weight).into_iter().flatten());
            }
            columns.extend(touched);
        }
        let (kind, device) = (places.kind(), places.device());
        let double = |values: &[f64], size: &[i64]| Tensor::from_slice(values).view(size).to_device(device);
        let wide = places.to_kind(Kind::Double);
        let residual = (&wide - double(&values, &[rows, count, 3])) * double(&weights, &[rows, count, 3]);
        let mut residual = residual.flatten(1, -1);
        if let Some(surface) = self.surface().filter(|_| in_cloud > 0) {
            let size = double(&cloud.size_residual, &[rows, 1]);
            residual = Tensor::cat(&[residual, cloud.residual(&wide, in_cloud as i64, surface), size], 1);
        }
        let columns = double(&columns, &[rows, residual.size()[1], Similarity::FREEDOM as i64]);
        let turned = columns.transpose(1, 2);
        let square = turned.matmul(&columns);
        // A scale that is fixed has no derivative, and is as good as any.
        let free = square.diagonal(0, 1, 2).eq(0.0).to_kind(Kind::Double).diag_embed(0, 1, 2);
        let change = (&residual - residual.detach()).unsqueeze(-1);
        let solved = Tensor::linalg_solve(&(square + free), &turned.matmul(&change), true);
        let taken = columns.matmul(&solved);
        (residual - taken.squeeze_dim(-1)).to_kind(kind)
    }
}

/// What a row of places is compared with.
struct Scene {
    /// All rows of the tree.
    pairs: Vec<Pair>,
    /// The cloud, and where its points are among those of the target.
    blocks: Vec<Block<f64>>,
    slots: Vec<usize>,
}

/// Which part of the surface each point of a cloud touches, of all rows: entries of `[K, N]`.
#[derive(Default)]
struct Touched {
    /// Rows of both ends of the capsule.
    ends: [Vec<i64>; 2],
    share: Vec<f64>,
    radius: Vec<f64>,
    /// The point in the body's own frame, `[K, N, 3]`.
    own: Vec<f64>,
    weight: Vec<f64>,
    size: Vec<f64>,
    /// What the size is off by, weighted, `[K]`.
    size_residual: Vec<f64>,
}

impl Touched {
    /// Adds a row; gives the derivatives of its residuals by the transform, `[N + 1, 7]`.
    fn add(
        &mut self,
        scene: &Scene,
        fit: &Similarity,
        (surface, found): (&TreeSurface, &mut SurfaceFit<f64>),
        in_cloud: usize,
    ) -> Vec<f64> {
        let first = self.weight.len();
        let pulls = found.pulls(&scene.blocks, fit, surface);
        let mut columns = vec![0.0; (in_cloud + 1) * Similarity::FREEDOM];
        let [to, weight] = found.size();
        self.size_residual.push((fit.scale() - to) * weight);
        if let (Some(last), true) = (columns.last_mut(), fit.has_free_scale()) {
            *last = weight;
        }
        let size = first + in_cloud;
        self.ends.iter_mut().for_each(|ends| ends.resize(size, 0));
        [&mut self.share, &mut self.radius, &mut self.weight].into_iter().for_each(|all| all.resize(size, 0.0));
        self.own.resize(3 * size, 0.0);
        self.size.push(fit.scale());
        for (pull, slot) in pulls.iter().zip(&scene.slots) {
            let (at, capsule) = (first + slot, &surface.capsules[pull.capsule]);
            self.ends.iter_mut().zip(capsule.ends).for_each(|(ends, end)| ends[at] = end as i64);
            (self.share[at], self.radius[at], self.weight[at]) = (pull.share, capsule.radius, pull.weight);
            self.own[3 * at..3 * at + 3].copy_from_slice(&pull.own);
            let lift = found.lift(pull.capsule, fit);
            for (number, row) in lift.iter().enumerate() {
                columns[slot * Similarity::FREEDOM + number] = row.iter().zip(&pull.v).map(|(a, b)| a * b).sum();
            }
        }
        columns
    }

    /// Residuals `[K, N]` where places are `[K, rows, 3]`.
    fn residual(&self, places: &Tensor, count: i64, surface: &TreeSurface) -> Tensor {
        let (rows, device) = (places.size()[0], places.device());
        let double = |values: &[f64], size: &[i64]| Tensor::from_slice(values).view(size).to_device(device);
        let end = |ends: &[i64]| {
            let index = Tensor::from_slice(ends).view([rows, count, 1]).to_device(device);
            places.gather(1, &index.expand([rows, count, 3], false), false)
        };
        let [from, to] = self.ends.each_ref().map(|ends| end(ends));
        let share = double(&self.share, &[rows, count, 1]);
        let axis = &from + (to - &from) * share;
        let apart = double(&self.own, &[rows, count, 3]) - axis;
        let least = thalweg_task::LEAST_DISTANCE;
        let length = (apart.square().sum_dim_intlist(-1, false, Kind::Double) + least * least).sqrt();
        let distance = (length - double(&self.radius, &[rows, count])) * double(&self.size, &[rows, 1]);
        let within = distance.clamp(-surface.gate, surface.gate);
        let ratio = &within / surface.scale;
        within / (ratio.square() + 1.0).sqrt() * double(&self.weight, &[rows, count])
    }
}

/// Places of each row beside where they were seen, and the cloud; none where the target has no places.
fn scenes(places: &Tensor, target: &Target) -> Option<Vec<Scene>> {
    let [rows, all, columns] = target.value.size()[..] else { return None };
    let count = places.size()[1];
    if all < count {
        return None;
    }
    let own = numbers::<f64>(places);
    let last = |tensor: &Tensor| numbers::<f64>(&tensor.narrow(-1, columns - 3, 3));
    let (seen, weights) = (last(&target.value), last(&target.weight));
    let (seen, weights) = (seen.as_chunks::<3>().0, weights.as_chunks::<3>().0);
    let (count, all) = (count as usize, all as usize);
    let row = |(row, own): (usize, &[[f64; 3]])| {
        let from = if rows == 1 { 0 } else { row * all };
        let pair = |(place, own): (usize, &[f64; 3])| Pair {
            own: *own,
            seen: seen[from + place],
            weight: weights[from + place][0],
        };
        let slots: Vec<usize> = (0..all - count).filter(|slot| weights[from + count + slot][0] != 0.0).collect();
        let point = |slot: &usize| (seen[from + count + slot], weights[from + count + slot][0]);
        let points: Vec<([f64; 3], f64)> = slots.iter().map(point).collect();
        Scene { pairs: own.iter().enumerate().map(pair).collect(), blocks: Block::of_points(&points), slots }
    };
    Some(own.as_chunks::<3>().0.chunks(count).enumerate().map(row).collect())
}
