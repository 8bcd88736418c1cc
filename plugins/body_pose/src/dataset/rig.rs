//! Any skeleton of a person, matched to the common body by the names and the order of its joints.
//!
//! Orientations are *turns from the rest pose*, in the rig's world; a joint's rest direction comes
//! from its child's place. The body's own axes (left, up, forward) are read off the rest pose, so
//! that it does not matter which axis the rig calls up, where it looks, or what its unit is.

use nalgebra::{Matrix3, Rotation3, UnitQuaternion, Vector3};

use super::DatasetError;
use super::retarget::{Counterpart, finite_pose, retarget};
use crate::skeleton::JOINTS;

/// A joint of a rig at rest.
#[derive(Clone, Debug)]
pub(super) struct Bone {
    /// Its name in the file.
    pub name: String,
    /// Its parent, which precedes it.
    pub parent: Option<usize>,
    /// Its place at rest, in the rig's world, the rig's unit.
    pub place: Vector3<f64>,
    /// Where its bone ends, if the file says so.
    pub end: Option<Vector3<f64>>,
    /// The axis of an elbow or knee that turns about one only, at rest, in the rig's world.
    pub hinge: Option<Vector3<f64>>,
}

/// Where the feet get their rest pose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Feet {
    /// Soles are flat at rest.
    Flat,
    /// Soles tilt with the shanks at rest, as in CMU's skeletons.
    WithShanks,
}

/// A rig matched to the common body.
#[derive(Debug)]
pub(super) struct Rig {
    pelvis: usize,
    /// Rig's world from body axes.
    world: UnitQuaternion<f64>,
    counterparts: Vec<Counterpart>,
}

/// Names of a limb's joints without side, likeliest first; blanks and signs are dropped, letters are small.
const HIP: &[&str] = &["upleg", "upperleg", "thigh", "femur", "uleg", "hip"];
const KNEE: &[&str] = &["lowerleg", "lowleg", "leg", "shin", "calf", "tibia", "knee"];
const ANKLE: &[&str] = &["ankle", "foot"];
const TOES: &[&str] = &["toebase", "toe0", "toes", "toe", "ball", "foot"];
const SHOULDER: &[&str] = &["upperarm", "uparm", "arm", "humerus", "shldr", "shoulder"];
const ELBOW: &[&str] = &["forearm", "lowerarm", "lowarm", "elbow", "radius"];
const WRIST: &[&str] = &["hand", "wrist"];
const COLLAR: &[&str] = &["collar", "clavicle", "shoulder"];
/// A rig that ends at the neck turns the head with it.
const HEAD: [&str; 3] = ["head", "face", "neck"];

impl Rig {
    /// Matches `bones`; `name` is for error messages.
    ///
    /// # Errors
    /// [`DatasetError::MissingJoint`] when head, a hip, knee, shoulder or elbow is not found;
    /// [`DatasetError::Skeleton`] when the rest pose has no sides.
    pub(super) fn new(name: &str, bones: &[Bone], feet: Feet) -> Result<Self, DatasetError> {
        let mut matching = Matching { name, bones, taken: vec![false; bones.len()] };
        let hips = matching.sides("hip", HIP)?;
        let knees = matching.sides("knee", KNEE)?;
        let shoulders = matching.sides("shoulder", SHOULDER)?;
        let elbows = matching.sides("elbow", ELBOW)?;
        let head = matching.find(&HEAD.map(str::to_owned)).ok_or_else(|| matching.missing("head"))?;
        let pelvis = matching.common(hips[0], hips[1]);
        let world = matching.axes(hips, pelvis, head)?;
        let mut rig = Self { pelvis, world, counterparts: Vec::new() };
        rig.add_trunk(&matching, shoulders, head)?;
        for side in 0..2 {
            rig.add_leg(&mut matching, side, [hips[side], knees[side]], feet);
            rig.add_arm(&mut matching, side, [shoulders[side], elbows[side]]);
        }
        Ok(rig)
    }

    /// The common body's pose, radians; `None` where a number is not finite.
    ///
    /// `turns`: of each bone from its rest, in the rig's world.
    pub(super) fn pose(&self, turns: &[UnitQuaternion<f64>]) -> Option<[[f32; 3]; JOINTS]> {
        let globals: Vec<UnitQuaternion<f64>> =
            turns.iter().map(|turn| self.world.inverse() * turn * self.world).collect();
        finite_pose(&retarget(&globals[self.pelvis], &globals, &self.counterparts))
    }

    /// Three spine joints, neck and head, from however many bones there are between pelvis and head.
    fn add_trunk(&mut self, matching: &Matching<'_>, shoulders: [usize; 2], head: usize) -> Result<(), DatasetError> {
        let chest = matching.common(shoulders[0], shoulders[1]);
        let spine = matching.path(self.pelvis, chest);
        let neck: Vec<usize> = matching
            .path(self.pelvis, head)
            .into_iter()
            .filter(|bone| !spine.contains(bone) && *bone != head)
            .collect();
        let count = spine.len();
        match *spine {
            [] => return Err(matching.refused("expected a spine between hips and shoulders, got none")),
            [only] => {
                self.counterparts.push(Counterpart::between(5, [self.pelvis, only]));
                self.counterparts.push(Counterpart::plain(8, only));
            }
            [first, .., last] => {
                let middle = Counterpart::between(5, [spine[(count - 1) / 2], spine[count / 2]]);
                self.counterparts.extend([Counterpart::plain(2, first), middle, Counterpart::plain(8, last)]);
            }
        }
        if let [first, .., last] | [first @ last] = *neck {
            self.counterparts.push(Counterpart::between(11, [first, last]));
        }
        self.counterparts.push(Counterpart::plain(14, head));
        Ok(())
    }

    fn add_leg(&mut self, matching: &mut Matching<'_>, side: usize, [hip, knee]: [usize; 2], feet: Feet) {
        let ankle = matching.below(knee, side, ANKLE);
        let toes = ankle.and_then(|ankle| matching.below(ankle, side, TOES));
        let thigh = self.rest(matching, hip, Some(knee));
        let shank = self.rest(matching, knee, ankle);
        self.counterparts.push(Counterpart::plain(side, hip).aligned(3 + side, thigh));
        self.counterparts.push(Counterpart::plain(3 + side, knee).aligned(6 + side, shank));
        for (joint, bone) in [(6 + side, ankle), (9 + side, toes)] {
            let Some(bone) = bone else { continue };
            let plain = Counterpart::plain(joint, bone);
            self.counterparts.push(if feet == Feet::Flat { plain } else { plain.aligned(6 + side, shank) });
        }
    }

    fn add_arm(&mut self, matching: &mut Matching<'_>, side: usize, [shoulder, elbow]: [usize; 2]) {
        let wrist = matching.below(elbow, side, WRIST);
        let between =
            wrist.and_then(|wrist| matching.path(elbow, wrist).first().copied().filter(|&bone| bone != wrist));
        let upper = self.rest(matching, shoulder, Some(elbow));
        let fore = self.rest(matching, elbow, between.or(wrist));
        let turn = matching.bones[elbow].hinge.map_or(0.0, |hinge| self.hinge_turn(hinge));
        let counterpart = Counterpart::plain(15 + side, shoulder).aligned(17 + side, upper).turned(turn);
        self.counterparts.push(counterpart);
        // A bone between elbow and wrist keeps the forearm's twist: half of it goes to the elbow.
        let share = if between.is_some() { 0.5 } else { 1.0 };
        let forearm = Counterpart::between(17 + side, [elbow, between.unwrap_or(elbow)]);
        self.counterparts.push(forearm.aligned(19 + side, fore).turned(share * turn));
        if let Some(wrist) = wrist {
            self.counterparts.push(Counterpart::plain(19 + side, wrist));
        }
        if let Some(collar) = matching.above(shoulder, side, COLLAR) {
            self.counterparts.push(Counterpart::plain(12 + side, collar));
        }
    }

    /// Angle about the arm, radians, between our elbow's axis (y) and the rig's.
    fn hinge_turn(&self, hinge: Vector3<f64>) -> f64 {
        let hinge = self.world.inverse() * hinge;
        let hinge = if hinge.y < 0.0 { -hinge } else { hinge };
        if hinge.yz().norm() < 0.5 * hinge.norm() { 0.0 } else { hinge.z.atan2(hinge.y) }
    }

    /// Direction of a bone at rest, in body axes.
    fn rest(&self, matching: &Matching<'_>, bone: usize, child: Option<usize>) -> Vector3<f64> {
        let bones = matching.bones;
        let first = || bones.iter().find(|other| other.parent == Some(bone)).map(|child| child.place);
        let end = child.map(|child| bones[child].place).or(bones[bone].end).or_else(first);
        self.world.inverse() * (end.unwrap_or(bones[bone].place) - bones[bone].place)
    }
}

/// Bones that are looked for by name, each found once.
struct Matching<'a> {
    name: &'a str,
    bones: &'a [Bone],
    taken: Vec<bool>,
}

impl Matching<'_> {
    fn find(&mut self, names: &[String]) -> Option<usize> {
        let found = names.iter().find_map(|wanted| {
            (0..self.bones.len()).find(|&bone| !self.taken[bone] && plain_name(&self.bones[bone].name) == *wanted)
        })?;
        self.taken[found] = true;
        Some(found)
    }

    /// The left and the right bone.
    fn sides(&mut self, joint: &'static str, names: &[&str]) -> Result<[usize; 2], DatasetError> {
        let left = self.find(&of_side(0, names)).ok_or_else(|| self.missing(joint))?;
        let right = self.find(&of_side(1, names)).ok_or_else(|| self.missing(joint))?;
        Ok([left, right])
    }

    /// A bone of one side that hangs below another.
    fn below(&mut self, root: usize, side: usize, names: &[&str]) -> Option<usize> {
        let found = self.find(&of_side(side, names))?;
        self.path(0, found).contains(&root).then_some(found)
    }

    /// A bone of one side that another hangs below.
    fn above(&mut self, tip: usize, side: usize, names: &[&str]) -> Option<usize> {
        let found = self.find(&of_side(side, names))?;
        self.path(0, tip).contains(&found).then_some(found)
    }

    /// Bones from below `root` down to `tip`.
    fn path(&self, root: usize, tip: usize) -> Vec<usize> {
        let mut path = Vec::new();
        let mut bone = Some(tip);
        while let Some(at) = bone.filter(|&at| at != root) {
            path.push(at);
            bone = self.bones[at].parent;
        }
        path.reverse();
        path
    }

    /// The lowest bone above both, or the root.
    fn common(&self, first: usize, second: usize) -> usize {
        let (first, second) = (self.path(usize::MAX, first), self.path(usize::MAX, second));
        first.iter().zip(&second).take_while(|(a, b)| a == b).last().map_or(0, |(bone, _)| *bone)
    }

    /// The rig's world from body axes: x from the right to the left hip, y towards the head.
    fn axes(&self, hips: [usize; 2], pelvis: usize, head: usize) -> Result<UnitQuaternion<f64>, DatasetError> {
        let place = |bone: usize| self.bones[bone].place;
        let left = (place(hips[0]) - place(hips[1])).try_normalize(1e-9);
        let up = place(head) - place(pelvis);
        let axes = left.and_then(|left| Some((left, (up - left * left.dot(&up)).try_normalize(1e-9)?)));
        let (left, up) = axes.ok_or_else(|| self.refused("expected hips side by side below the head at rest"))?;
        let matrix = Matrix3::from_columns(&[left, up, left.cross(&up)]);
        // Standing rigs look along an axis of their world: what is left over is a pelvis that is not quite straight.
        let snapped = matrix.map(f64::round);
        let exact = (snapped.determinant() - 1.0).abs() < 1e-9 && (matrix - snapped).norm() < 0.5;
        let matrix = if exact { snapped } else { matrix };
        Ok(UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(matrix)))
    }

    fn missing(&self, joint: &'static str) -> DatasetError {
        let have: Vec<&str> = self.bones.iter().map(|bone| bone.name.as_str()).take(60).collect();
        DatasetError::MissingJoint { name: self.name.to_owned(), joint, have: have.join(", ") }
    }

    fn refused(&self, reason: &str) -> DatasetError {
        DatasetError::Skeleton { name: self.name.to_owned(), reason: reason.to_owned() }
    }
}

/// All spellings of a side, for each name in turn.
fn of_side(side: usize, names: &[&str]) -> Vec<String> {
    let (long, short) = [("left", "l"), ("right", "r")][side];
    let spellings = |name: &&str| {
        [format!("{long}{name}"), format!("{name}{long}"), format!("{short}{name}"), format!("{name}{short}")]
    };
    names.iter().flat_map(spellings).collect()
}

/// `mixamorig:LeftUpLeg`, `Bip01 L Thigh`, `DEF-thigh.L`, `upperarm_l` become what the tables hold.
fn plain_name(name: &str) -> String {
    let name = name.rsplit(':').next().unwrap_or(name).to_lowercase();
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let prefixes = ["mixamorig", "bip001", "bip01", "def", "character1"];
    prefixes.iter().find_map(|prefix| letters.strip_prefix(prefix)).unwrap_or(&letters).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bones(names: [&str; 16], up: Vector3<f64>, left: Vector3<f64>) -> Vec<Bone> {
        let places = [
            (0.0, 0.0),
            (0.0, 1.0),
            (0.0, 2.0),
            (0.0, 3.0),
            (0.5, 0.0),
            (0.5, -2.0),
            (0.5, -4.0),
            (-0.5, 0.0),
            (-0.5, -2.0),
            (-0.5, -4.0),
            (1.0, 2.0),
            (2.0, 2.0),
            (3.0, 2.0),
            (-1.0, 2.0),
            (-2.0, 2.0),
            (-3.0, 2.0),
        ];
        let parents = [usize::MAX, 0, 1, 2, 0, 4, 5, 0, 7, 8, 1, 10, 11, 1, 13, 14];
        let bone = |index: usize| Bone {
            name: names[index].to_owned(),
            parent: parents.get(index).copied().filter(|&parent| parent != usize::MAX),
            place: left * places[index].0 + up * places[index].1,
            end: None,
            hinge: None,
        };
        (0..16).map(bone).collect()
    }

    const MIXAMO: [&str; 16] = [
        "mixamorig:Hips",
        "mixamorig:Spine",
        "mixamorig:Neck",
        "mixamorig:Head",
        "mixamorig:LeftUpLeg",
        "mixamorig:LeftLeg",
        "mixamorig:LeftFoot",
        "mixamorig:RightUpLeg",
        "mixamorig:RightLeg",
        "mixamorig:RightFoot",
        "mixamorig:LeftArm",
        "mixamorig:LeftForeArm",
        "mixamorig:LeftHand",
        "mixamorig:RightArm",
        "mixamorig:RightForeArm",
        "mixamorig:RightHand",
    ];
    const MAX: [&str; 16] = [
        "Bip01 Pelvis",
        "Bip01 Spine",
        "Bip01 Neck",
        "Bip01 Head",
        "Bip01 L Thigh",
        "Bip01 L Calf",
        "Bip01 L Foot",
        "Bip01 R Thigh",
        "Bip01 R Calf",
        "Bip01 R Foot",
        "Bip01 L UpperArm",
        "Bip01 L Forearm",
        "Bip01 L Hand",
        "Bip01 R UpperArm",
        "Bip01 R Forearm",
        "Bip01 R Hand",
    ];

    /// A knee bent by 50 degrees is that in every rig, whatever it calls up and its joints.
    #[test]
    fn a_bent_knee_is_a_bent_knee_in_any_rig() {
        for (names, up, left) in [
            (MIXAMO, Vector3::y(), Vector3::x()),
            (MAX, Vector3::z(), Vector3::x()),
            (MAX, Vector3::y(), -Vector3::z()),
        ] {
            let rig = Rig::new("rig", &bones(names, up, left), Feet::Flat).expect("a person");
            let bent = UnitQuaternion::from_scaled_axis(left * 50f64.to_radians());
            let mut turns = [UnitQuaternion::identity(); 16];
            (turns[5], turns[6]) = (bent, bent);
            let pose = rig.pose(&turns).expect("finite");
            for (joint, vector) in pose.iter().enumerate() {
                let wanted = if joint == 3 { 50f32.to_radians() } else { 0.0 };
                let error = (Vector3::from(*vector) - Vector3::new(wanted, 0.0, 0.0)).norm();
                assert!(error < 1e-5, "{}: joint {joint}: {vector:?}", names[0]);
            }
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut names = MAX;
        names[5] = "Bip01 L Wheel";
        let error = Rig::new("x.bvh", &bones(names, Vector3::y(), Vector3::x()), Feet::Flat).expect_err("no knee");
        assert!(error.to_string().contains("'knee'") && error.to_string().contains("L Wheel"), "{error}");
    }
}
