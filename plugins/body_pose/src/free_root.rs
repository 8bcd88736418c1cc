//! Places of a body that stands anywhere, of any size, rays to them, and clouds around it: what is compared, and where its
//! root is.

use tch::{Kind, Tensor};
use thalweg_task::{
    Block, CloudParameters, LEAST_DEPTH, Masked, Observation, Pair, Root, Similarity, SurfaceFit, Target, TreeSurface,
    numbers, tell_turn,
};

use crate::keypoints::Leaf;
use crate::shape::{Guess, capsules};
use crate::sight::{self, Sight};
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
/// As [`HELD`], where there is none and the root stands upright in the frame of what was seen, or where rays let it.
const UPRIGHT: f64 = 3e-4;
/// Spread across a line, metres, below which points count as on it: what trackers are off by.
const LINE: f64 = 0.03;
/// Points of a cloud from which on it tells the root.
const FEWEST: usize = 30;
/// Share of them that must lie within [`CloudParameters::SCALE`] of the surface for the root to count as seen.
const SEEN: f64 = 0.5;

/// Points of a row that have a weight: a cloud.
type Points = Vec<([f64; 3], f64)>;

/// A point that has a name, as it was seen.
#[derive(Clone, Copy, Debug, Default)]
struct Named {
    /// Metres; of a ray x / z and y / z.
    at: [f64; 3],
    /// A residual's factor, of a ray for one metre of depth; zero where it was not seen.
    weight: f64,
    is_ray: bool,
}

/// Where the anchors stood, how much that counts, and the depth at which residuals of rays are metres.
struct Start {
    root: Root,
    share: f64,
    depth: f64,
}

/// A root that is found from places, from rays, and from a cloud.
#[derive(Debug)]
pub(crate) struct FreeRoot {
    /// Points of the task that are no joints.
    leaves: Vec<Leaf>,
    /// Residual's factor of a metre for each point of the task, pelvis and joints first.
    weights: Vec<f64>,
    /// Least and greatest size.
    scale: [f64; 2],
    /// How much all of a cloud counts; zero where none is observed.
    cloud_weight: f64,
    /// What finds the transform where it has no closed form; with capsules where a cloud is observed.
    surface: TreeSurface,
}

impl FreeRoot {
    pub(crate) fn new(leaves: Vec<Leaf>, weights: Vec<f64>, scale: [f64; 2], cloud: &CloudParameters) -> Self {
        // Joints, the pelvis, other points, anchors, then the tips of limbs.
        let anchors = JOINTS + 1 + leaves.len();
        let surface = TreeSurface {
            capsules: if cloud.weight > 0.0 { capsules(anchors + ANCHORS.len()) } else { Vec::new() },
            scale: CloudParameters::SCALE,
            gate: cloud.gate,
            anchors: anchors..anchors + ANCHORS.len(),
            line: LINE,
        };
        Self { leaves, weights, scale, cloud_weight: cloud.weight, surface }
    }

    /// The least and the greatest size.
    pub(crate) fn scale(&self) -> [f64; 2] {
        self.scale
    }

    /// What finds the transform where it has no closed form.
    pub(crate) fn surface(&self) -> &TreeSurface {
        &self.surface
    }

    fn has_cloud(&self) -> bool {
        self.cloud_weight > 0.0
    }

    /// What hangs on joints and pelvis without turning anything, behind the joints in a target: the pelvis itself, the
    /// task's other points, the anchors, and, where a cloud is observed, the tips of limbs.
    pub(crate) fn leaves(&self) -> Vec<(Option<usize>, [f64; 3])> {
        let pelvis = (None, [0.0; 3]);
        let points = self.leaves.iter().map(|leaf| (leaf.joint, leaf.offset));
        let anchors = ANCHORS.iter().map(|anchor| (None, *anchor));
        let tips = TIPS.iter().map(|tip| (Some(tip.joint), tip.offset)).filter(|_| self.has_cloud());
        std::iter::once(pelvis).chain(points).chain(anchors).chain(tips).collect()
    }

    /// How many of the leaves are points of the task, with the pelvis.
    pub(crate) fn points(&self) -> usize {
        1 + self.leaves.len()
    }

    /// Rows of a target that has places, without a cloud.
    fn rows(&self) -> usize {
        JOINTS + self.points() + ANCHORS.len() + if self.has_cloud() { TIPS.len() } else { 0 }
    }

    /// Parents and offsets of all rows of a target that has places.
    pub(crate) fn tree(&self) -> (Vec<Option<usize>>, Vec<[f64; 3]>) {
        let leaves = self.leaves();
        let parents = PARENTS.into_iter().chain(leaves.iter().map(|leaf| leaf.0)).collect();
        (parents, OFFSETS.into_iter().chain(leaves.iter().map(|leaf| leaf.1)).collect())
    }

    /// Values and weights of places, then of a cloud, `[O, rows + N, 6]`: three coordinates and how much each counts; none
    /// where nothing is known of the root.
    ///
    /// A point counts when all of its coordinates were seen, or is a ray when x and y were; all points of a cloud count
    /// together as one place of each joint. The weights of a ray are those of a metre at the depth of the root where the search
    /// begins, and its third is zero.
    /// `pose` gives the places of all rows of a target, metres in the pelvis frame, of a row of the observation, as far as
    /// angles tell them.
    pub(crate) fn encode(&self, obs: &Observation, pose: &dyn Fn(i64) -> Vec<[f64; 3]>) -> Option<Tensor> {
        let rows = obs.rows();
        let (named, clouds) = obs.points.as_ref().map_or_else(Default::default, |points| self.seen(points, obs));
        let is_seen = named.iter().any(|point| point.weight > 0.0);
        let in_cloud = clouds.iter().map(Vec::len).max().unwrap_or(0);
        if !is_seen && in_cloud == 0 && obs.root.is_none() {
            return None;
        }
        let count = self.weights.len();
        let all = self.rows() + in_cloud;
        let mut places = Vec::with_capacity(rows as usize * all);
        for row in 0..rows as usize {
            let nothing = vec![Named::default(); count];
            let points = if is_seen { &named[row * count..][..count] } else { &nothing };
            let cloud = clouds.get(row).map_or(&[][..], |cloud| &cloud[..]);
            let start = self.start(points, cloud, obs.root, &|| pose(row as i64));
            let depth = start.as_ref().map_or(1.0, |start| start.depth);
            // Joints come first, then the pelvis and the others.
            let ordered = points[1..=JOINTS].iter().chain(&points[..1]).chain(&points[JOINTS + 1..]);
            places.extend(ordered.map(|Named { at: [x, y, z], weight, is_ray }| {
                let (across, along) = if *is_ray { (weight * depth, 0.0) } else { (*weight, *weight) };
                [*x, *y, *z, across, across, along]
            }));
            places.extend(self.anchors(start.as_ref()));
            let end = (row + 1) * all;
            places.resize(end - in_cloud, [0.0; 6]);
            places.extend(cloud.iter().map(|([x, y, z], weight)| [*x, *y, *z, *weight, *weight, *weight]));
            places.resize(end, [0.0; 6]);
        }
        Some(Tensor::from_slice(places.as_flattened()).view([rows, all as i64, 6]))
    }

    /// Each point of all rows that has a name, and the points of clouds that were seen.
    fn seen(&self, points: &Masked, obs: &Observation) -> (Vec<Named>, Vec<Points>) {
        let (values, seen) = (numbers::<f64>(points.value()), numbers::<bool>(points.observed()));
        let (values, seen) = (values.as_chunks::<3>().0, seen.as_chunks::<3>().0);
        let confidence = obs.confidence.as_ref().map(numbers::<f64>);
        // A residual is squared.
        let counts = |at: usize| confidence.as_ref().map_or(1.0, |confidence| confidence[at].sqrt());
        let (named, all) = (self.weights.len(), points.value().size()[1] as usize);
        let (mut of_names, mut clouds) = (Vec::new(), Vec::new());
        for first in (0..values.len()).step_by(all) {
            of_names.extend(self.weights.iter().enumerate().map(|(place, weight)| {
                let (at, weight) = (values[first + place], weight * counts(first + place));
                match seen[first + place] {
                    [true, true, is_place] if weight > 0.0 => Named { at, weight, is_ray: !is_place },
                    _ => Named::default(),
                }
            }));
            let in_cloud = first + named..first + all;
            let there = in_cloud.clone().filter(|at| seen[*at] == [true; 3]).count();
            let share = (JOINTS as f64 / there.max(1) as f64).min(1.0).sqrt();
            let weight = self.cloud_weight * share;
            let point = |at: usize| (values[at], weight * counts(at));
            let cloud = in_cloud.filter(|at| seen[*at] == [true; 3]).map(point);
            clouds.push(cloud.filter(|(_, weight)| *weight > 0.0).collect());
        }
        (of_names, clouds)
    }

    /// Where the search for the root begins; none where places tell it and nothing is known of before.
    fn start(
        &self,
        points: &[Named],
        cloud: &[([f64; 3], f64)],
        before: Option<Root>,
        pose: &dyn Fn() -> Vec<[f64; 3]>,
    ) -> Option<Start> {
        let seen = points.iter().filter(|point| point.weight > 0.0);
        let has_rays = seen.clone().any(|point| point.is_ray);
        let at_root = |root: Root, share: f64| {
            let depth = if has_rays { root.position[2].max(LEAST_DEPTH) } else { 1.0 };
            Some(Start { root, share, depth })
        };
        let places = seen.clone().filter(|point| !point.is_ray).map(|point| point.at);
        let is_told = tell_turn(places.clone(), LINE);
        match before {
            Some(root) if is_told => at_root(root, HELD),
            None if is_told && !has_rays => None,
            _ if is_told || has_rays && cloud.len() < FEWEST => {
                let own = pose();
                let pairs = self.pairs(points, &own);
                let sight = Sight { pairs: &pairs, surface: &self.surface, scale: self.scale };
                let (root, is_kept) = sight.root(before);
                let rays = seen.filter(|point| point.is_ray).map(|point| [point.at[0], point.at[1]]);
                let share = match is_kept {
                    true if sight::tell(rays, root.position[2], LINE) => HELD,
                    true => LOST,
                    false => UPRIGHT,
                };
                at_root(root, share)
            }
            _ if self.has_cloud() && cloud.len() >= FEWEST => {
                let places = pose();
                let guess = Guess { surface: &self.surface, places: &places, scale: self.scale };
                let kept = before.filter(|root| guess.is_near(root, cloud));
                let root = kept.unwrap_or_else(|| guess.root(cloud, &self.pairs(points, &places)));
                at_root(root, HELD_IN_CLOUD)
            }
            Some(root) => at_root(root, LOST),
            None => {
                let count = places.clone().count().max(1) as f64;
                let mean = |axis: usize| places.clone().map(|point| point[axis]).sum::<f64>() / count;
                let (position, rotation) = ([mean(0), mean(1), mean(2)], [0.0, 0.0, 0.0, 1.0]);
                let scale = 1f64.clamp(self.scale[0], self.scale[1]);
                at_root(Root { position, rotation, scale, is_seen: false, misfit: 0.0 }, UPRIGHT)
            }
        }
    }

    /// Where the anchors stood, and how much each coordinate counts.
    fn anchors(&self, start: Option<&Start>) -> [[f64; 6]; ANCHORS.len()] {
        let Some(Start { root, share, .. }) = start else { return [[0.0; 6]; ANCHORS.len()] };
        let weight = share * self.weights.iter().sum::<f64>() / self.weights.len() as f64;
        ANCHORS.map(|anchor| {
            let [x, y, z] = root.place(anchor);
            [x, y, z, weight, weight, weight]
        })
    }

    /// Points with names beside where a pose has them; `places` are those of all rows of a target.
    fn pairs(&self, points: &[Named], places: &[[f64; 3]]) -> Vec<Pair> {
        let row = |point: usize| {
            if point == 0 {
                JOINTS
            } else if point <= JOINTS {
                point - 1
            } else {
                point
            }
        };
        let pair = |(point, Named { at, weight, is_ray }): (usize, &Named)| Pair {
            own: places[row(point)],
            seen: *at,
            weight: *weight,
            is_ray: *is_ray,
        };
        points.iter().enumerate().filter(|(_, point)| point.weight > 0.0).map(pair).collect()
    }

    /// Finds the root of each row of places, `[K, rows, 3]`, in the pelvis frame; empty where the target has no places.
    pub(crate) fn roots(&self, places: &Tensor, target: &Target) -> Vec<Root> {
        let Some(scenes) = scenes(places, target) else { return Vec::new() };
        scenes.into_iter().map(|scene| self.root(&scene)).collect()
    }

    fn root(&self, scene: &Scene) -> Root {
        let is_named = |pair: &&Pair| pair.weight > 0.0;
        let seen: Vec<Pair> = scene.pairs[..JOINTS + self.points()].iter().filter(is_named).copied().collect();
        let is_told = tell_turn(seen.iter().filter(|pair| !pair.is_ray).map(|pair| pair.seen), LINE);
        let rays = seen.iter().filter(|pair| pair.is_ray).map(|pair| [pair.seen[0], pair.seen[1]]);
        if scene.blocks.is_empty() && rays.clone().next().is_none() {
            return Similarity::fit(&scene.pairs, self.scale).root(&seen, is_told);
        }
        let (surface, mut found) = (&self.surface, self.fit(scene));
        let fit = self.find(scene, &mut found);
        let is_told = is_told || sight::tell(rays, fit.put([0.0; 3])[2], LINE);
        if scene.blocks.is_empty() {
            return fit.root(&seen, is_told);
        }
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
    fn fit(&self, scene: &Scene) -> SurfaceFit<f64> {
        let mut found = SurfaceFit::new(self.surface.capsules.len());
        found.place(&self.surface, |place| scene.pairs[place].own);
        found
    }

    /// Finds the transform of a row as the native engine does.
    fn find(&self, scene: &Scene, found: &mut SurfaceFit<f64>) -> Similarity {
        let surface = &self.surface;
        let counts = |(_, pair): &(usize, &Pair)| pair.weight != 0.0;
        let weighed: Vec<(usize, Pair)> =
            scene.pairs.iter().enumerate().filter(counts).map(|(at, pair)| (at, *pair)).collect();
        let anchors = weighed.iter().filter(|(at, _)| surface.anchors.contains(at)).count();
        let pairs: Vec<Pair> = weighed.into_iter().map(|(_, pair)| pair).collect();
        found.find(&scene.blocks, (&pairs, anchors), (self.scale, None), surface)
    }

    /// The residuals `w (s R p + t - q)` of places p, `[K, rows, 3]`, at the similarity for which their squares are least,
    /// turned into the body's frame, and in the same rows those of rays; then those of a cloud, and that of the size, where
    /// there is one: `[K, rows * 3 + N + 1]`.
    ///
    /// They are differentiable as if the similarity followed the places by a Gauss-Newton step: what it takes up is taken
    /// out, which changes no value. So `J'J` is the matrix of pose and similarity together, the similarity eliminated.
    pub(crate) fn residual(&self, places: &Tensor, target: &Target) -> Tensor {
        let Some(scenes) = scenes(places, target) else { return places.flatten(1, -1) * 0.0 };
        let (rows, count, all) = (places.size()[0], places.size()[1], target.value.size()[1]);
        let in_cloud = (all - count) as usize;
        let (mut values, mut weights, mut columns, mut cloud, mut rays) =
            (Vec::new(), Vec::new(), Vec::new(), Touched::default(), Rays::default());
        for scene in &scenes {
            let mut found = self.fit(scene);
            let fit = if in_cloud > 0 || scene.pairs.iter().any(|pair| pair.is_ray) {
                self.find(scene, &mut found)
            } else {
                Similarity::fit(&scene.pairs, self.scale)
            };
            for pair in &scene.pairs {
                values.extend(fit.back(pair.seen));
                weights.extend([if pair.is_ray { 0.0 } else { pair.weight * fit.scale() }; 3]);
                columns.extend(fit.columns_of(pair).into_iter().flatten());
            }
            rays.add(scene, &fit);
            if in_cloud > 0 {
                columns.extend(cloud.add(scene, &fit, (&self.surface, &mut found), in_cloud));
            }
        }
        let (kind, device) = (places.kind(), places.device());
        let double = |values: &[f64], size: &[i64]| Tensor::from_slice(values).view(size).to_device(device);
        let wide = places.to_kind(Kind::Double);
        let residual = (&wide - double(&values, &[rows, count, 3])) * double(&weights, &[rows, count, 3]);
        let residual = if rays.are_there { residual + rays.residual(&wide) } else { residual };
        let mut residual = residual.flatten(1, -1);
        if in_cloud > 0 {
            let size = double(&cloud.size_residual, &[rows, 1]);
            residual = Tensor::cat(&[residual, cloud.residual(&wide, in_cloud as i64, &self.surface), size], 1);
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

/// Rays of all rows, and the transforms that bring a body before the camera.
#[derive(Default)]
struct Rays {
    are_there: bool,
    /// `s R'`, `[K, 3, 3]`, and t, `[K, 3]`, metres.
    turns: Vec<f64>,
    shifts: Vec<f64>,
    /// x / z, y / z and how much they count, `[K, rows, 2]` each; zeros where there is none.
    seen: Vec<f64>,
    weight: Vec<f64>,
}

impl Rays {
    fn add(&mut self, scene: &Scene, fit: &Similarity) {
        let shift = fit.put([0.0; 3]);
        for axis in 0..3 {
            let mut unit = [0.0; 3];
            unit[axis] = 1.0;
            let put = fit.put(unit);
            self.turns.extend((0..3).map(|row| put[row] - shift[row]));
        }
        self.shifts.extend(shift);
        for pair in &scene.pairs {
            self.are_there |= pair.is_ray;
            let ([x, y, _], weight) = if pair.is_ray { (pair.seen, pair.weight) } else { ([0.0; 3], 0.0) };
            self.seen.extend([x, y]);
            self.weight.extend([weight; 2]);
        }
    }

    /// Residuals `[K, rows, 3]` where places are `[K, rows, 3]`; the third is zero.
    fn residual(&self, places: &Tensor) -> Tensor {
        let [rows, count, _] = places.size()[..] else { return places * 0.0 };
        let double = |values: &[f64], size: &[i64]| Tensor::from_slice(values).view(size).to_device(places.device());
        let put = places.matmul(&double(&self.turns, &[rows, 3, 3])) + double(&self.shifts, &[rows, 1, 3]);
        let seen = put.narrow(-1, 0, 2) / put.narrow(-1, 2, 1).clamp_min(LEAST_DEPTH);
        let apart = (seen - double(&self.seen, &[rows, count, 2])) * double(&self.weight, &[rows, count, 2]);
        apart.constant_pad_nd([0, 1])
    }
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
            is_ray: weights[from + place][0] != 0.0 && weights[from + place][2] == 0.0,
        };
        let slots: Vec<usize> = (0..all - count).filter(|slot| weights[from + count + slot][0] != 0.0).collect();
        let point = |slot: &usize| (seen[from + count + slot], weights[from + count + slot][0]);
        let points: Vec<([f64; 3], f64)> = slots.iter().map(point).collect();
        Scene { pairs: own.iter().enumerate().map(pair).collect(), blocks: Block::of_points(&points), slots }
    };
    Some(own.as_chunks::<3>().0.chunks(count).enumerate().map(row).collect())
}
