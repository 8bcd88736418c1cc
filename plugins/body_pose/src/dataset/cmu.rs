//! CMU motion capture: exponential maps on a skeleton of 38 joints, 120 frames a second.
//!
//! The file's forward kinematics is written with row vectors, `G_j = R(e_j) G_parent`. With
//! column vectors, as everywhere here, that is `G_j = G_parent R(-e_j)`.

use std::path::Path;

use nalgebra::{UnitQuaternion, Vector3};

use super::arrays::Arrays;
use super::retarget::{Counterpart, finite_pose, retarget};
use super::{Clip, DatasetError, Source, split};
use crate::skeleton::JOINTS;

/// Joints of the source skeleton.
pub(super) const SEGMENTS: usize = 38;

/// Numbers before the joints in a row: the root's place.
pub(super) const LEAD: usize = 3;

/// Width of a row: the root's place, then an exponential map for each joint.
pub(super) const WIDTH: usize = LEAD + 3 * SEGMENTS;

/// Every fourth frame is taken: 120 to 30 frames a second.
const STRIDE: usize = 4;

/// The file's elbows are hinges about (0, 0.87, -0.5), in every frame: at rest the upper arms are
/// turned by this angle from ours, whose elbows bend about y. Radians.
const ELBOW_TURN: f64 = -std::f64::consts::FRAC_PI_6;

/// The first frame of each of the 96 clips is one and the same calibration pose, not motion.
const CALIBRATION_FRAME: usize = 0;

/// Source segments by number. Segment `s` reaches from joint `s` to its child.
mod segment {
    pub(super) const PELVIS: usize = 0;
    pub(super) const LOWER_BACK: usize = 13;
    pub(super) const UPPER_BACK: usize = 14;
    pub(super) const THORAX: usize = 15;
    pub(super) const LOWER_NECK: usize = 16;
    pub(super) const UPPER_NECK: usize = 17;
    pub(super) const HEAD: usize = 18;
    pub(super) const FEMUR: [usize; 2] = [2, 8];
    pub(super) const TIBIA: [usize; 2] = [3, 9];
    pub(super) const FOOT: [usize; 2] = [4, 10];
    pub(super) const TOES: [usize; 2] = [5, 11];
    pub(super) const HUMERUS: [usize; 2] = [21, 30];
    pub(super) const RADIUS: [usize; 2] = [22, 31];
    pub(super) const WRIST: [usize; 2] = [23, 32];
    pub(super) const HAND: [usize; 2] = [24, 33];
}

/// Reads all clips of `cmu_expmap.npz`, with the skeleton of `cmu38_skeleton.npz`.
pub(super) fn load(folder: &Path) -> Result<Vec<Clip>, DatasetError> {
    let skeleton = Skeleton::load(&folder.join("cmu38_skeleton.npz"))?;
    let counterparts = counterparts(&skeleton);
    let mut arrays = Arrays::open(&folder.join(Source::Cmu.file()))?;
    let names = arrays.names("names")?;
    let (frames, rows) = arrays.joints("X", LEAD, SEGMENTS)?;
    let (_, clip_of): (_, Vec<i16>) = arrays.read("clip", &[Some(frames as u64)], "int16")?;
    let (_, split_of): (_, Vec<u8>) = arrays.read("split", &[Some(frames as u64)], "uint8")?;
    let mut clips: Vec<Clip> = names.iter().map(|name| Clip::empty(short_name(name), Source::Cmu, 30.0)).collect();
    let mut position = vec![0usize; clips.len()];
    for (row, values) in rows.chunks_exact(WIDTH).enumerate() {
        let index = arrays.check_index("clip", row, clip_of[row].into(), clips.len())?;
        arrays.check_index("split", row, split_of[row].into(), 2)?;
        let clip = &mut clips[index];
        clip.split = split::of_cmu(&clip.name, split_of[row] == 1);
        if position[index] == CALIBRATION_FRAME {
            clip.calibration += 1;
        } else if position[index] % STRIDE == 1 {
            clip.push(pose_of(&skeleton.globals(values), &counterparts));
        }
        position[index] += 1;
    }
    Ok(clips)
}

/// The common body's pose from the orientations of the segments.
pub(super) fn pose_of(globals: &[UnitQuaternion<f64>], counterparts: &[Counterpart]) -> Option<[[f32; 3]; JOINTS]> {
    finite_pose(&retarget(&globals[segment::PELVIS], globals, counterparts))
}

/// `data/cmu_mocap/test/walking/walking_1.txt` becomes `test/walking/walking_1`.
fn short_name(name: &str) -> String {
    let name = name.strip_prefix("data/cmu_mocap/").unwrap_or(name);
    name.strip_suffix(".txt").unwrap_or(name).to_owned()
}

pub(super) struct Skeleton {
    parents: Vec<Option<usize>>,
    offsets: Vec<Vector3<f64>>,
}

impl Skeleton {
    pub(super) fn load(path: &Path) -> Result<Self, DatasetError> {
        let mut arrays = Arrays::open(path)?;
        let (_, offsets): (_, Vec<f64>) = arrays.read("offset", &[Some(SEGMENTS as u64), Some(3)], "float64")?;
        let (_, parents): (_, Vec<i64>) = arrays.read("parent", &[Some(SEGMENTS as u64)], "int64")?;
        let parent = |(row, &parent): (usize, &i64)| match parent {
            -1 => Ok(None),
            _ => arrays.check_index("parent", row, parent, row).map(Some),
        };
        let parents = parents.iter().enumerate().map(parent).collect::<Result<_, _>>()?;
        Ok(Self { parents, offsets: offsets.chunks_exact(3).map(Vector3::from_column_slice).collect() })
    }

    /// Orientation of each segment in the file's world.
    pub(super) fn globals(&self, row: &[f32]) -> Vec<UnitQuaternion<f64>> {
        let mut globals: Vec<UnitQuaternion<f64>> = Vec::with_capacity(SEGMENTS);
        for (segment, map) in row[LEAD..].chunks_exact(3).enumerate() {
            let local = UnitQuaternion::from_scaled_axis(-Vector3::from_column_slice(map).cast::<f64>());
            globals.push(self.parents[segment].map_or(local, |parent| globals[parent] * local));
        }
        globals
    }
}

/// The two femora point outward by twenty degrees at rest, so the legs are aligned by their
/// bones; arms too. Feet and toes tilt with the shanks at rest and are aligned by them, not by
/// the line from ankle to ball, which depends on where the markers sat. The collar bones do not
/// move in the file. Half of the forearm's twist, which the file keeps at the wrist, goes to the
/// elbow, and with it half of [`ELBOW_TURN`].
pub(super) fn counterparts(skeleton: &Skeleton) -> Vec<Counterpart> {
    let bone = |segment: usize| skeleton.offsets[segment + 1];
    let mut all = vec![
        Counterpart::plain(2, segment::LOWER_BACK),
        Counterpart::plain(5, segment::UPPER_BACK),
        Counterpart::plain(8, segment::THORAX),
        Counterpart::between(11, [segment::LOWER_NECK, segment::UPPER_NECK]),
        Counterpart::plain(14, segment::HEAD),
    ];
    for side in 0..2 {
        let (femur, tibia, humerus, radius) =
            (segment::FEMUR[side], segment::TIBIA[side], segment::HUMERUS[side], segment::RADIUS[side]);
        all.extend([
            Counterpart::plain(side, femur).aligned(3 + side, bone(femur)),
            Counterpart::plain(3 + side, tibia).aligned(6 + side, bone(tibia)),
            Counterpart::plain(6 + side, segment::FOOT[side]).aligned(6 + side, bone(tibia)),
            Counterpart::plain(9 + side, segment::TOES[side]).aligned(6 + side, bone(tibia)),
            Counterpart::plain(15 + side, humerus).aligned(17 + side, bone(humerus)).turned(ELBOW_TURN),
            Counterpart::between(17 + side, [radius, segment::WRIST[side]])
                .aligned(19 + side, bone(radius))
                .turned(0.5 * ELBOW_TURN),
            Counterpart::plain(19 + side, segment::HAND[side]),
        ]);
    }
    all
}
