//! The common body: 21 joints below the pelvis, as facts.
//!
//! Joint names, their order and the axes (x to the left, y up, z forward) are those of SMPL-X
//! (Pavlakos et al., CVPR 2019), root excluded. The lengths are not: they are fractions of
//! stature from the literature, for an adult of [`STATURE`]. At rest the body stands in a T pose:
//! arms level, palms down, legs straight down, feet flat.

/// Number of joints.
pub const JOINTS: usize = 21;

/// Number of scalar joints: three revolute axes for each joint.
pub const SCALAR_JOINTS: usize = 3 * JOINTS;

/// Names of the joints, in SMPL-X order.
pub const NAMES: [&str; JOINTS] = [
    "left_hip",
    "right_hip",
    "spine1",
    "left_knee",
    "right_knee",
    "spine2",
    "left_ankle",
    "right_ankle",
    "spine3",
    "left_foot",
    "right_foot",
    "neck",
    "left_collar",
    "right_collar",
    "head",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
];

/// Parent of each joint; `None` is the pelvis. A parent precedes its children.
pub const PARENTS: [Option<usize>; JOINTS] = [
    None,
    None,
    None,
    Some(0),
    Some(1),
    Some(2),
    Some(3),
    Some(4),
    Some(5),
    Some(6),
    Some(7),
    Some(8),
    Some(8),
    Some(8),
    Some(11),
    Some(12),
    Some(13),
    Some(15),
    Some(16),
    Some(17),
    Some(18),
];

/// Height of the body, metres: a round figure near the mean of adults.
pub const STATURE: f64 = 1.75;

/// Segment lengths, metres: Drillis & Contini (1966), as in Winter, Biomechanics and Motor
/// Control of Human Movement, 4th ed. (2009), figure 4.1: fractions of stature between joint
/// centres.
const THIGH: f64 = (0.530 - 0.285) * STATURE;
const SHANK: f64 = (0.285 - 0.039) * STATURE;
const UPPER_ARM: f64 = 0.186 * STATURE;
const FOREARM: f64 = 0.146 * STATURE;
const HAND: f64 = 0.108 * STATURE;
const FOOT: f64 = 0.152 * STATURE;

/// Heights above the floor, metres: the same figure; the ends of the trunk and of the head.
const ANKLE_HEIGHT: f64 = 0.039 * STATURE;
const HIP_HEIGHT: f64 = 0.530 * STATURE;
const SHOULDER_HEIGHT: f64 = 0.818 * STATURE;
const CHIN_HEIGHT: f64 = 0.870 * STATURE;

/// Half the distance of the hip centres and their depth below the pelvis, metres: 36 % and 30 %
/// of the distance of the iliac spines (Bell, Pedersen & Brand, J. Biomechanics 23, 1990), taken
/// as 0.24 m. The pelvis joint lies between the spines' height and midline.
const HIP_HALF_WIDTH: f64 = 0.36 * 0.24;
const HIP_DEPTH: f64 = 0.30 * 0.24;

/// Lateral places of the shoulder girdle, metres from the midline: our choice. Winter's 0.129 of
/// stature goes to the outer edge of the shoulder; the joint centre is taken at 0.100, which
/// makes the span of the arms 1.08 statures. The collar bone begins beside the breastbone.
const SHOULDER_HALF_WIDTH: f64 = 0.100 * STATURE;
const COLLAR_HALF_WIDTH: f64 = 0.017 * STATURE;

/// Base of the neck, midway between shoulders and chin; base of the skull, a third of the head
/// above the chin: our choice. Heights above the pelvis, metres.
const PELVIS_HEIGHT: f64 = HIP_HEIGHT + HIP_DEPTH;
const NECK: f64 = 0.5 * (SHOULDER_HEIGHT + CHIN_HEIGHT) - PELVIS_HEIGHT;
const SKULL: f64 = CHIN_HEIGHT + (STATURE - CHIN_HEIGHT) / 3.0 - PELVIS_HEIGHT;

/// The three spine joints divide the way from pelvis to neck in equal parts: our choice.
const SPINE: f64 = NECK / 4.0;

/// Heel to ball is 0.72 of the foot, heel to ankle a quarter: round figures. The ball lies
/// [`BALL_HEIGHT`] metres above the sole.
const ANKLE_TO_BALL: f64 = (0.72 - 0.25) * FOOT;
const BALL_TO_TOE: f64 = (1.0 - 0.72) * FOOT;
const BALL_HEIGHT: f64 = 0.015;

/// Place of each joint in its parent's frame at rest, metres.
pub const OFFSETS: [[f64; 3]; JOINTS] = [
    [HIP_HALF_WIDTH, -HIP_DEPTH, 0.0],
    [-HIP_HALF_WIDTH, -HIP_DEPTH, 0.0],
    [0.0, SPINE, 0.0],
    [0.0, -THIGH, 0.0],
    [0.0, -THIGH, 0.0],
    [0.0, SPINE, 0.0],
    [0.0, -SHANK, 0.0],
    [0.0, -SHANK, 0.0],
    [0.0, SPINE, 0.0],
    [0.0, BALL_HEIGHT - ANKLE_HEIGHT, ANKLE_TO_BALL],
    [0.0, BALL_HEIGHT - ANKLE_HEIGHT, ANKLE_TO_BALL],
    [0.0, SPINE, 0.0],
    [COLLAR_HALF_WIDTH, SHOULDER_HEIGHT - PELVIS_HEIGHT - 3.0 * SPINE, 0.0],
    [-COLLAR_HALF_WIDTH, SHOULDER_HEIGHT - PELVIS_HEIGHT - 3.0 * SPINE, 0.0],
    [0.0, SKULL - NECK, 0.0],
    [SHOULDER_HALF_WIDTH - COLLAR_HALF_WIDTH, 0.0, 0.0],
    [COLLAR_HALF_WIDTH - SHOULDER_HALF_WIDTH, 0.0, 0.0],
    [UPPER_ARM, 0.0, 0.0],
    [-UPPER_ARM, 0.0, 0.0],
    [FOREARM, 0.0, 0.0],
    [-FOREARM, 0.0, 0.0],
];

/// An end of the body that is no joint.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tip {
    /// Its name.
    pub name: &'static str,
    /// The joint whose frame it moves with.
    pub joint: usize,
    /// Its place in that frame at rest, metres.
    pub offset: [f64; 3],
}

/// Top of the head, fingertips and toes.
pub const TIPS: [Tip; 5] = [
    Tip { name: "head_top", joint: 14, offset: [0.0, STATURE - PELVIS_HEIGHT - SKULL, 0.0] },
    Tip { name: "left_fingertip", joint: 19, offset: [HAND, 0.0, 0.0] },
    Tip { name: "right_fingertip", joint: 20, offset: [-HAND, 0.0, 0.0] },
    Tip { name: "left_toe", joint: 9, offset: [0.0, 0.0, BALL_TO_TOE] },
    Tip { name: "right_toe", joint: 10, offset: [0.0, 0.0, BALL_TO_TOE] },
];

/// Order of the three revolute axes of a joint, from the parent to the child.
///
/// `Yzx` means `R = R_y(a) R_z(b) R_x(c)` (column vectors). The middle angle lies in
/// [-90, 90] degrees; near its ends the other two cannot be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AxisOrder {
    /// x, then y, then z.
    Xyz,
    /// x, then z, then y.
    Xzy,
    /// y, then x, then z.
    Yxz,
    /// y, then z, then x.
    Yzx,
    /// z, then x, then y.
    Zxy,
    /// z, then y, then x.
    Zyx,
}

impl AxisOrder {
    /// The axes from parent to child: 0 is x, 1 is y, 2 is z.
    #[must_use]
    pub const fn axes(self) -> [usize; 3] {
        match self {
            Self::Xyz => [0, 1, 2],
            Self::Xzy => [0, 2, 1],
            Self::Yxz => [1, 0, 2],
            Self::Yzx => [1, 2, 0],
            Self::Zxy => [2, 0, 1],
            Self::Zyx => [2, 1, 0],
        }
    }
}

/// Axis order of each joint, such that the middle angle stays away from +-90 degrees.
///
/// Chosen on the imported poses (41,243 frames, all splits; November 2026): of the six orders the
/// one with the fewest frames whose middle angle passes 75 degrees, then the smallest maximum,
/// alike on both sides. Such frames: 0 % for all joints but the shoulders, whose best order has
/// 0.08 % left and 0.32 % right (the worst order has 44 %); largest middle angle elsewhere 59
/// degrees (wrists). `tests/dataset.rs` measures again.
pub const AXIS_ORDERS: [AxisOrder; JOINTS] = [
    AxisOrder::Xyz,
    AxisOrder::Xyz,
    AxisOrder::Xyz,
    AxisOrder::Xzy,
    AxisOrder::Xzy,
    AxisOrder::Xzy,
    AxisOrder::Xyz,
    AxisOrder::Xyz,
    AxisOrder::Xzy,
    AxisOrder::Zyx,
    AxisOrder::Zyx,
    AxisOrder::Yzx,
    AxisOrder::Xzy,
    AxisOrder::Xzy,
    AxisOrder::Yzx,
    AxisOrder::Zxy,
    AxisOrder::Zxy,
    AxisOrder::Xzy,
    AxisOrder::Xzy,
    AxisOrder::Yxz,
    AxisOrder::Yxz,
];

/// Limits of each joint about x, y and z, degrees.
///
/// Ranges of the imported poses: the 0.02 and 99.98 percentiles of both sides together, five
/// degrees more, outward to multiples of five; widened to the ranges of motion of healthy adults
/// where those go further (American Academy of Orthopaedic Surgeons, Joint Motion, 1965). About
/// each axis more than 99.9 % of frames lie inside; `tests/dataset.rs` holds that.
const LIMITS_DEGREES: [[(f64, f64); 3]; JOINTS] = [
    [(-125.0, 40.0), (-50.0, 50.0), (-35.0, 60.0)],
    [(-125.0, 40.0), (-50.0, 50.0), (-60.0, 35.0)],
    [(-30.0, 95.0), (-30.0, 30.0), (-40.0, 40.0)],
    [(-20.0, 150.0), (-40.0, 30.0), (-40.0, 20.0)],
    [(-20.0, 150.0), (-30.0, 40.0), (-20.0, 40.0)],
    [(-30.0, 30.0), (-30.0, 30.0), (-25.0, 25.0)],
    [(-50.0, 55.0), (-45.0, 45.0), (-55.0, 35.0)],
    [(-50.0, 55.0), (-45.0, 45.0), (-35.0, 55.0)],
    [(-35.0, 35.0), (-30.0, 30.0), (-25.0, 25.0)],
    [(-60.0, 55.0), (-35.0, 35.0), (-35.0, 50.0)],
    [(-60.0, 55.0), (-35.0, 35.0), (-50.0, 35.0)],
    [(-45.0, 45.0), (-80.0, 80.0), (-35.0, 35.0)],
    [(-50.0, 40.0), (-80.0, 30.0), (-45.0, 45.0)],
    [(-50.0, 40.0), (-30.0, 80.0), (-45.0, 45.0)],
    [(-40.0, 50.0), (-40.0, 40.0), (-35.0, 35.0)],
    [(-90.0, 90.0), (-155.0, 145.0), (-140.0, 180.0)],
    [(-90.0, 90.0), (-145.0, 155.0), (-180.0, 140.0)],
    [(-90.0, 90.0), (-160.0, 20.0), (-50.0, 50.0)],
    [(-90.0, 90.0), (-20.0, 160.0), (-50.0, 50.0)],
    [(-90.0, 90.0), (-65.0, 85.0), (-170.0, 95.0)],
    [(-90.0, 90.0), (-85.0, 65.0), (-95.0, 170.0)],
];

/// Limits of each joint about x, y and z, radians.
pub const LIMITS: [[(f64, f64); 3]; JOINTS] = limits();

const fn limits() -> [[(f64, f64); 3]; JOINTS] {
    let mut limits = LIMITS_DEGREES;
    let mut index = 0;
    while index < SCALAR_JOINTS {
        let (lower, upper) = LIMITS_DEGREES[index / 3][index % 3];
        limits[index / 3][index % 3] = (lower.to_radians(), upper.to_radians());
        index += 1;
    }
    limits
}

/// Names of the 63 scalar joints: `left_hip_x`, `left_hip_y`, `left_hip_z`, `right_hip_x`, ...
///
/// Within a joint always in the order x, y, z, whatever its [`AXIS_ORDERS`] says.
#[must_use]
pub fn joint_names() -> Vec<String> {
    NAMES.iter().flat_map(|name| ["x", "y", "z"].map(|axis| format!("{name}_{axis}"))).collect()
}

/// Finds a joint by name.
#[must_use]
pub fn joint_index(name: &str) -> Option<usize> {
    NAMES.iter().position(|known| *known == name)
}

/// The part of the body, out of five, that each of the 63 scalar joints belongs to: left leg, right leg, left arm, right
/// arm, and the rest.
pub const PARTS: [usize; SCALAR_JOINTS] = {
    let of_joint = [0, 1, 4, 0, 1, 4, 0, 1, 4, 0, 1, 4, 2, 3, 4, 2, 3, 2, 3, 2, 3];
    let mut parts = [0; SCALAR_JOINTS];
    let mut index = 0;
    while index < SCALAR_JOINTS {
        parts[index] = of_joint[index / 3];
        index += 1;
    }
    parts
};

/// Names of the groups of joints that evaluation hides.
pub const GROUPS: [&str; 8] =
    ["legs", "left_leg", "right_leg", "arms", "left_arm", "right_arm", "trunk", "end_effectors_only"];

/// The joints that a group hides, ascending, or `None` when the name is unknown.
///
/// Groups after DPoser (Lu et al., 2024): a leg is hip, knee, ankle and foot; an arm is collar,
/// shoulder, elbow and wrist; the trunk is the spine and both shoulders. `end_effectors_only`
/// hides everything except wrists and feet.
#[must_use]
pub fn group(name: &str) -> Option<Vec<usize>> {
    let hidden: &[usize] = match name {
        "legs" => &[0, 1, 3, 4, 6, 7, 9, 10],
        "left_leg" => &[0, 3, 6, 9],
        "right_leg" => &[1, 4, 7, 10],
        "arms" => &[12, 13, 15, 16, 17, 18, 19, 20],
        "left_arm" => &[12, 15, 17, 19],
        "right_arm" => &[13, 16, 18, 20],
        "trunk" => &[2, 5, 8, 15, 16],
        "end_effectors_only" => &[0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 18],
        _ => return None,
    };
    Some(hidden.to_vec())
}
