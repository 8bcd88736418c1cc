//! Places of a body that stands anywhere, of any size: what is compared, and where its root is.

use tch::{Kind, Tensor};
use thalweg_task::{Masked, Observation, Pair, Root, Similarity, Target, numbers, tell_turn};

use crate::keypoints::Leaf;
use crate::skeleton::{JOINTS, OFFSETS, PARENTS};

/// Four points of the pelvis that stand where they stood, so lightly that they decide only what nothing else does: the
/// root of before, where too few points are seen to tell a new one. Metres in the pelvis frame.
pub(crate) const ANCHORS: [[f64; 3]; 4] = [[0.3, 0.0, 0.0], [-0.3, 0.0, 0.0], [0.0, 0.3, 0.0], [0.0, 0.0, 0.3]];

/// How much an anchor counts beside a point, as a factor of a residual, where there is a root of before. A step of a
/// tenth of a metre from frame to frame then lags by a twentieth of a millimetre where ten points are seen.
const HELD: f64 = 0.03;
/// As [`HELD`], where too few points tell the root: as much as a point, or the whole body would turn for one hand.
const LOST: f64 = 1.0;
/// As [`HELD`], where there is none and the root stands upright in the frame of what was seen.
const UPRIGHT: f64 = 3e-4;
/// Spread across a line, metres, below which points count as on it: what trackers are off by.
const LINE: f64 = 0.03;

/// A root that is found from places.
#[derive(Debug)]
pub(crate) struct FreeRoot {
    /// Points of the task that are no joints.
    leaves: Vec<Leaf>,
    /// Residual's factor of a metre for each point of the task, pelvis and joints first.
    weights: Vec<f64>,
    /// Least and greatest size.
    scale: [f64; 2],
}

impl FreeRoot {
    pub(crate) fn new(leaves: Vec<Leaf>, weights: Vec<f64>, scale: [f64; 2]) -> Self {
        Self { leaves, weights, scale }
    }

    /// The least and the greatest size.
    pub(crate) fn scale(&self) -> [f64; 2] {
        self.scale
    }

    /// What hangs on joints and pelvis without turning anything, behind the joints in a target: the pelvis itself, the
    /// task's other points, and the anchors.
    pub(crate) fn leaves(&self) -> Vec<(Option<usize>, [f64; 3])> {
        let pelvis = (None, [0.0; 3]);
        let points = self.leaves.iter().map(|leaf| (leaf.joint, leaf.offset));
        let anchors = ANCHORS.iter().map(|anchor| (None, *anchor));
        std::iter::once(pelvis).chain(points).chain(anchors).collect()
    }

    /// Parents and offsets of all rows of a target that has places.
    pub(crate) fn tree(&self) -> (Vec<Option<usize>>, Vec<[f64; 3]>) {
        let leaves = self.leaves();
        let parents = PARENTS.into_iter().chain(leaves.iter().map(|leaf| leaf.0)).collect();
        (parents, OFFSETS.into_iter().chain(leaves.iter().map(|leaf| leaf.1)).collect())
    }

    /// Values and weights of places, `[O, rows, 4]`: three coordinates and how much they count; none where nothing is
    /// known of the root.
    ///
    /// A point counts when all of its coordinates were seen.
    pub(crate) fn encode(&self, obs: &Observation) -> Option<Tensor> {
        let rows = obs.rows();
        let points = obs.points.as_ref().map(|points| self.seen(points, obs.confidence.as_ref()));
        let seen = points.unwrap_or_default();
        let is_seen = seen.iter().any(|point| point[3] > 0.0);
        if !is_seen && obs.root.is_none() {
            return None;
        }
        let count = self.weights.len();
        let mut places = Vec::with_capacity(rows as usize * (count + ANCHORS.len()) * 4);
        for row in 0..rows as usize {
            let nothing = vec![[0.0; 4]; count];
            let points = if is_seen { &seen[row * count..][..count] } else { &nothing };
            // Joints come first, then the pelvis and the others.
            places.extend(points[1..=JOINTS].iter().chain(&points[..1]).chain(&points[JOINTS + 1..]).copied());
            places.extend(self.anchors(points, obs.root));
        }
        let size = [rows, (count + ANCHORS.len()) as i64, 4];
        Some(Tensor::from_slice(places.as_flattened()).view(size))
    }

    /// Coordinates and weight of each point of all rows.
    fn seen(&self, points: &Masked, confidence: Option<&Tensor>) -> Vec<[f64; 4]> {
        let (values, seen) = (numbers::<f64>(points.value()), numbers::<bool>(points.observed()));
        let confidence = confidence.map(numbers::<f64>);
        let points = values.as_chunks::<3>().0.iter().zip(seen.as_chunks::<3>().0).enumerate();
        let point = |(place, ([x, y, z], seen)): (usize, (&[f64; 3], &[bool; 3]))| {
            // A residual is squared.
            let counts = confidence.as_ref().map_or(1.0, |confidence| confidence[place].sqrt());
            let weight = self.weights[place % self.weights.len()] * counts;
            if seen == &[true; 3] && weight > 0.0 { [*x, *y, *z, weight] } else { [0.0; 4] }
        };
        points.map(point).collect()
    }

    /// Where the anchors stood, and how much that counts.
    fn anchors(&self, points: &[[f64; 4]], before: Option<Root>) -> [[f64; 4]; ANCHORS.len()] {
        let seen: Vec<[f64; 3]> =
            points.iter().filter(|point| point[3] > 0.0).map(|[x, y, z, _]| [*x, *y, *z]).collect();
        let typical = self.weights.iter().sum::<f64>() / self.weights.len() as f64;
        let is_told = tell_turn(&seen, LINE);
        let (root, share) = match before {
            Some(root) => (root, if is_told { HELD } else { LOST }),
            None if is_told => return [[0.0; 4]; ANCHORS.len()],
            None => {
                let mean = |axis: usize| seen.iter().map(|point| point[axis]).sum::<f64>() / seen.len().max(1) as f64;
                let (position, rotation) = ([mean(0), mean(1), mean(2)], [0.0, 0.0, 0.0, 1.0]);
                (
                    Root {
                        position,
                        rotation,
                        scale: 1f64.clamp(self.scale[0], self.scale[1]),
                        is_seen: false,
                        misfit: 0.0,
                    },
                    UPRIGHT,
                )
            }
        };
        ANCHORS.map(|anchor| {
            let [x, y, z] = root.place(anchor);
            [x, y, z, share * typical]
        })
    }

    /// Finds the root of each row of places, `[K, rows, 3]`, in the pelvis frame; empty where the target has no places.
    pub(crate) fn roots(&self, places: &Tensor, target: &Target) -> Vec<Root> {
        let Some(pairs) = pairs(places, target) else { return Vec::new() };
        let points = places.size()[1] as usize - ANCHORS.len();
        let root = |pairs: &Vec<Pair>| {
            let seen: Vec<Pair> = pairs[..points].iter().filter(|pair| pair.weight > 0.0).copied().collect();
            let places: Vec<[f64; 3]> = seen.iter().map(|pair| pair.seen).collect();
            Similarity::fit(pairs, self.scale).root(&seen, tell_turn(&places, LINE))
        };
        pairs.iter().map(root).collect()
    }

    /// The residuals `w (s R p + t - q)`, `[K, rows * 3]`, of places p, `[K, rows, 3]`, at the similarity for which their
    /// squares are least, turned into the body's frame.
    ///
    /// They are differentiable as if the similarity followed the places by a Gauss-Newton step: what it takes up is taken
    /// out, which changes no value. So `J'J` is the matrix of pose and similarity together, the similarity eliminated.
    pub(crate) fn residual(&self, places: &Tensor, target: &Target) -> Tensor {
        let Some(pairs) = pairs(places, target) else { return places.flatten(1, -1) * 0.0 };
        let (rows, count) = (places.size()[0], places.size()[1]);
        let (mut values, mut weights, mut columns) = (Vec::new(), Vec::new(), Vec::new());
        for pairs in &pairs {
            let fit = Similarity::fit(pairs, self.scale);
            for pair in pairs {
                values.extend(fit.back(pair.seen));
                weights.extend([pair.weight * fit.scale(); 3]);
                columns.extend(fit.columns(pair.own, pair.weight).into_iter().flatten());
            }
        }
        let (kind, device) = (places.kind(), places.device());
        let double = |values: &[f64], size: &[i64]| Tensor::from_slice(values).view(size).to_device(device);
        let residual = places.to_kind(Kind::Double) - double(&values, &[rows, count, 3]);
        let residual = (residual * double(&weights, &[rows, count, 3])).flatten(1, -1).unsqueeze(-1);
        let columns = double(&columns, &[rows, 3 * count, Similarity::FREEDOM as i64]);
        let turned = columns.transpose(1, 2);
        let square = turned.matmul(&columns);
        // A scale that is fixed has no derivative, and is as good as any.
        let free = square.diagonal(0, 1, 2).eq(0.0).to_kind(Kind::Double).diag_embed(0, 1, 2);
        let solved = Tensor::linalg_solve(&(square + free), &turned.matmul(&residual), true);
        let taken = columns.matmul(&solved);
        (residual - taken).squeeze_dim(-1).to_kind(kind)
    }
}

/// Places of each row beside where they were seen; none where the target has no places.
fn pairs(places: &Tensor, target: &Target) -> Option<Vec<Vec<Pair>>> {
    let [rows, count, columns] = target.value.size()[..] else { return None };
    if count != places.size()[1] {
        return None;
    }
    let own = numbers::<f64>(places);
    let last = |tensor: &Tensor| numbers::<f64>(&tensor.narrow(-1, columns - 3, 3));
    let (seen, weights) = (last(&target.value), last(&target.weight));
    let (seen, weights, count) = (seen.as_chunks::<3>().0, weights.as_chunks::<3>().0, count as usize);
    let row = |(row, own): (usize, &[[f64; 3]])| {
        let from = if rows == 1 { 0 } else { row * count };
        let pair = |(place, own): (usize, &[f64; 3])| Pair {
            own: *own,
            seen: seen[from + place],
            weight: weights[from + place][0],
        };
        own.iter().enumerate().map(pair).collect()
    };
    Some(own.as_chunks::<3>().0.chunks(count).enumerate().map(row).collect())
}
