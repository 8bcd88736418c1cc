//! People before a tracker: motion as it was measured, on bodies of their own, anywhere.

use nalgebra::{UnitQuaternion, Vector3};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;
use thalweg_body_pose::keypoints::Table;
use thalweg_body_pose::kinematics::{Rotations, from_matrices};
use thalweg_body_pose::rotations_from_angles;
use thalweg_body_pose::skeleton::{JOINTS, NAMES, OFFSETS, PARENTS, group, joint_index};
use thalweg_task::{Root, numbers};

use crate::clips::ClipArguments;

/// The tables that are measured.
pub(crate) const TABLES: [&str; 4] = ["mediapipe_33", "azure_kinect_32", "zed_body_38", "coco_17"];

/// Frames a second.
pub(crate) const RATE: f64 = 15.0;
/// Deviation of a bone's length from that of the common body, in shares: people differ.
const LENGTHS: f64 = 0.04;
/// Deviation of a keypoint from where the table says, metres: constant for a clip, and from frame to frame.
const BIAS: f64 = 0.01;
const NOISE: f64 = 0.01;
/// Sizes of people against the common body of 1.75 m: from 1.3 to 2.0 m.
pub(crate) const SIZES: std::ops::Range<f64> = 0.75..1.15;
/// Share of keypoints that is missing anyway.
const MISSING: f64 = 0.05;

/// A clip.
#[derive(Debug)]
pub(crate) struct Clip {
    pub(crate) frames: Vec<Rotations>,
}

/// What a tracker does not see.
pub(crate) struct Hole {
    pub(crate) name: &'static str,
    groups: &'static [&'static str],
}

/// Holes as trackers have them.
pub(crate) const HOLES: [Hole; 5] = [
    Hole { name: "nothing hidden", groups: &[] },
    Hole { name: "one arm", groups: &["left_arm"] },
    Hole { name: "from the side: arm and leg", groups: &["right_arm", "right_leg"] },
    Hole { name: "behind a table: legs", groups: &["legs"] },
    Hole { name: "both arms", groups: &["arms"] },
];

/// A person before a tracker.
pub(crate) struct Scene {
    pub(crate) truth: Vec<Rotations>,
    /// Places of pelvis and joints in the tracker's frame, metres.
    pub(crate) places: Vec<[Vector3<f64>; JOINTS + 1]>,
    pub(crate) roots: Vec<Root>,
    /// What is seen of the task's points, NaN where it is not.
    pub(crate) seen: Vec<Vec<[f64; 3]>>,
    /// Where they are, without what is off from frame to frame.
    pub(crate) exact: Vec<Vec<[f64; 3]>>,
    /// The joints that are hidden.
    pub(crate) hidden: Vec<usize>,
}

/// Reads the bundled motion, or a set of the motion capture.
pub(crate) fn load(source: &ClipArguments, frames: u32) -> anyhow::Result<Vec<Clip>> {
    let dataset = source.dataset()?;
    let thinned = |clip: &crate::clips::Clip| {
        let step = (clip.motion.fps / RATE).round().max(1.0) as usize;
        let all = poses(&clip.motion.joints).into_iter();
        Clip { frames: all.step_by(step).take(frames as usize).collect() }
    };
    let all = source.clips(dataset.as_ref())?;
    Ok(all.iter().map(thinned).filter(|clip| clip.frames.len() > RATE as usize).collect())
}

/// Rotations of joint angles, `[N, 63]`, radians.
pub(crate) fn poses(angles: &tch::Tensor) -> Vec<Rotations> {
    let all = numbers::<f64>(&rotations_from_angles(&angles.to_kind(tch::Kind::Double)));
    all.as_chunks::<9>().0.chunks(JOINTS).filter_map(rotations).collect()
}

/// Rotations of the 21 matrices of a pose.
fn rotations(matrices: &[[f64; 9]]) -> Option<Rotations> {
    let matrices: [[f64; 9]; JOINTS] = matrices.try_into().ok()?;
    let rows = |matrix: [f64; 9]| {
        let [a, b, c, d, e, f, g, h, i] = matrix;
        [[a, b, c], [d, e, f], [g, h, i]]
    };
    Some(from_matrices(&matrices.map(rows)))
}

/// Where people stand who stand otherwise than before a tracker with depth.
#[derive(Clone, Copy, Default)]
pub(crate) struct Stand {
    /// How much farther away, metres.
    pub(crate) away: f64,
    /// Their size against the common body; none is each their own.
    pub(crate) scale: Option<f64>,
}

impl Scene {
    /// Puts a clip before a tracker.
    pub(crate) fn new(clip: &Clip, table: &str, hole: &Hole, seed: u64) -> anyhow::Result<Self> {
        Self::at(clip, table, hole, (seed, Stand::default()))
    }

    /// As [`Scene::new`], where people stand otherwise.
    pub(crate) fn at(clip: &Clip, table: &str, hole: &Hole, (seed, stand): (u64, Stand)) -> anyhow::Result<Self> {
        let mut random = StdRng::seed_from_u64(seed);
        let table = Table::find(table)?;
        let hidden: Vec<usize> = hole.groups.iter().filter_map(|name| group(name)).flatten().collect();
        let lengths: Vec<f64> = (0..JOINTS).map(|_| 1.0 + LENGTHS * random.sample::<f64, _>(StandardNormal)).collect();
        // Both sides alike.
        let lengths = |joint: usize| lengths[mirrored(joint).min(joint)];
        let offsets: Vec<Vector3<f64>> =
            (0..JOINTS).map(|joint| Vector3::from(OFFSETS[joint]) * lengths(joint)).collect();
        let scale = random.random_range(SIZES);
        let scale = stand.scale.unwrap_or(scale);
        let bias: Vec<Vector3<f64>> = table.weights.iter().map(|_| gauss(&mut random) * BIAS).collect();
        let mut walk = Walk::new(&mut random);
        walk.place.z += stand.away;
        let mut scene = Self {
            truth: clip.frames.clone(),
            places: Vec::new(),
            roots: Vec::new(),
            seen: Vec::new(),
            exact: Vec::new(),
            hidden,
        };
        for rotations in &clip.frames {
            let root = walk.step(scale, &mut random);
            let (own, turned) = forward(rotations, &offsets);
            let (seen, exact) = scene.keypoints(&table, (&own, &turned), &root, &bias, &mut random);
            scene.seen.push(seen);
            scene.exact.push(exact);
            scene.places.push(own.map(|place| Vector3::from(root.place(place.into()))));
            scene.roots.push(root);
        }
        Ok(scene)
    }

    /// What is seen of the task's points, and where they are.
    fn keypoints(
        &self,
        table: &Table,
        (own, turned): (&[Vector3<f64>; JOINTS + 1], &[UnitQuaternion<f64>; JOINTS + 1]),
        root: &Root,
        bias: &[Vector3<f64>],
        random: &mut StdRng,
    ) -> (Vec<[f64; 3]>, Vec<[f64; 3]>) {
        let mut points = vec![[f64::NAN; 3]; table.weights.len()];
        let mut exact = points.clone();
        for point in table.tracker.keypoints.iter().filter_map(|keypoint| keypoint.point) {
            let (at, offset) = match point.checked_sub(JOINTS + 1) {
                Some(leaf) => (table.leaves[leaf].joint.map_or(0, |joint| joint + 1), table.leaves[leaf].offset),
                None => (point, [0.0; 3]),
            };
            let noise = gauss(random) * NOISE;
            let is_missing = random.random_bool(MISSING);
            let place = own[at] + turned[at] * Vector3::from(offset);
            let place = Vector3::from(root.place(place.into())) + bias[point];
            exact[point] = place.into();
            if !(is_missing || at > 0 && self.is_hidden(at - 1)) {
                points[point] = (place + noise).into();
            }
        }
        (points, exact)
    }

    /// Whether a place is hidden: those of hidden limbs, but for hips and shoulders, which belong to the trunk.
    fn is_hidden(&self, joint: usize) -> bool {
        let is_limb = PARENTS[joint].is_some_and(|parent| self.hidden.contains(&parent));
        self.hidden.contains(&joint) && is_limb && !NAMES[joint].ends_with("shoulder")
    }

    /// Whether some point tells a place.
    pub(crate) fn is_seen_place(&self, joint: usize) -> bool {
        !self.is_hidden(joint)
    }
}

/// The joint on the other side; itself in the middle.
fn mirrored(joint: usize) -> usize {
    let name = NAMES[joint];
    let other = match name.split_once('_') {
        Some(("left", rest)) => format!("right_{rest}"),
        Some(("right", rest)) => format!("left_{rest}"),
        _ => name.to_owned(),
    };
    joint_index(&other).unwrap_or(joint)
}

fn gauss(random: &mut StdRng) -> Vector3<f64> {
    Vector3::from_fn(|_, _| random.sample(StandardNormal))
}

/// Forward kinematics with bones of other lengths.
fn forward(
    rotations: &Rotations,
    offsets: &[Vector3<f64>],
) -> ([Vector3<f64>; JOINTS + 1], [UnitQuaternion<f64>; JOINTS + 1]) {
    let (mut places, mut turned) = ([Vector3::zeros(); JOINTS + 1], [UnitQuaternion::identity(); JOINTS + 1]);
    for joint in 0..JOINTS {
        let parent = PARENTS[joint].map_or(0, |parent| parent + 1);
        places[joint + 1] = places[parent] + turned[parent] * offsets[joint];
        turned[joint + 1] = turned[parent] * rotations[joint];
    }
    (places, turned)
}

/// A person who walks about, three metres before a camera whose y points down.
pub(crate) struct Walk {
    place: Vector3<f64>,
    heading: f64,
    speed: Vector3<f64>,
}

impl Walk {
    pub(crate) fn new(random: &mut StdRng) -> Self {
        let place = Vector3::new(random.random_range(-1.0..1.0), 0.2, random.random_range(2.0..4.0));
        Self { place, heading: random.random_range(-3.1..3.1), speed: Vector3::zeros() }
    }

    pub(crate) fn step(&mut self, scale: f64, random: &mut StdRng) -> Root {
        let push = gauss(random);
        self.speed = self.speed * 0.9 + Vector3::new(push.x, 0.1 * push.y, push.z) * 0.3;
        self.place += self.speed / RATE;
        self.heading += 0.05 * push.y;
        let upright = UnitQuaternion::from_axis_angle(&Vector3::x_axis(), std::f64::consts::PI);
        let lean = UnitQuaternion::from_scaled_axis(Vector3::new(0.1 * push.z.tanh(), 0.0, 0.05 * push.x.tanh()));
        let turn = lean * UnitQuaternion::from_axis_angle(&Vector3::y_axis(), self.heading) * upright;
        let rotation = turn.quaternion();
        Root {
            position: self.place.into(),
            rotation: [rotation.i, rotation.j, rotation.k, rotation.w],
            scale,
            is_seen: true,
            misfit: 0.0,
        }
    }
}
