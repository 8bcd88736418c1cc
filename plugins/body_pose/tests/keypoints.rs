//! Each table of keypoints against what its tracker publishes: names, numbers, order, and sides of the body.
#![allow(clippy::unwrap_used)]

use nalgebra::{UnitQuaternion, Vector3};
use thalweg_body_pose::keypoints::Table;
use thalweg_body_pose::kinematics::forward;
use thalweg_body_pose::skeleton::JOINTS;

/// MediaPipe, "Pose landmark detection guide": the 33 landmarks.
const MEDIAPIPE: &str = "nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer left_ear \
    right_ear mouth_left mouth_right left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist left_pinky \
    right_pinky left_index right_index left_thumb right_thumb left_hip right_hip left_knee right_knee left_ankle \
    right_ankle left_heel right_heel left_foot_index right_foot_index";
/// OpenPose, doc/02_output.md: POSE_BODY_25_BODY_PARTS.
const OPENPOSE: &str = "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist MidHip RHip RKnee RAnkle LHip LKnee \
    LAnkle REye LEye REar LEar LBigToe LSmallToe LHeel RBigToe RSmallToe RHeel";
/// COCO, person_keypoints annotations.
const COCO: &str = "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow \
    left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle";
/// Azure Kinect Body Tracking SDK 1.x, k4abt_joint_id_t.
const AZURE: &str = "PELVIS SPINE_NAVEL SPINE_CHEST NECK CLAVICLE_LEFT SHOULDER_LEFT ELBOW_LEFT WRIST_LEFT HAND_LEFT \
    HANDTIP_LEFT THUMB_LEFT CLAVICLE_RIGHT SHOULDER_RIGHT ELBOW_RIGHT WRIST_RIGHT HAND_RIGHT HANDTIP_RIGHT THUMB_RIGHT \
    HIP_LEFT KNEE_LEFT ANKLE_LEFT FOOT_LEFT HIP_RIGHT KNEE_RIGHT ANKLE_RIGHT FOOT_RIGHT HEAD NOSE EYE_LEFT EAR_LEFT \
    EYE_RIGHT EAR_RIGHT";
/// ZED SDK 4, c_api types: SL_BODY_18_PARTS, SL_BODY_34_PARTS and SL_BODY_38_PARTS.
const ZED_18: &str = "NOSE NECK RIGHT_SHOULDER RIGHT_ELBOW RIGHT_WRIST LEFT_SHOULDER LEFT_ELBOW LEFT_WRIST RIGHT_HIP \
    RIGHT_KNEE RIGHT_ANKLE LEFT_HIP LEFT_KNEE LEFT_ANKLE RIGHT_EYE LEFT_EYE RIGHT_EAR LEFT_EAR";
const ZED_34: &str = "PELVIS NAVAL_SPINE CHEST_SPINE NECK LEFT_CLAVICLE LEFT_SHOULDER LEFT_ELBOW LEFT_WRIST LEFT_HAND \
    LEFT_HANDTIP LEFT_THUMB RIGHT_CLAVICLE RIGHT_SHOULDER RIGHT_ELBOW RIGHT_WRIST RIGHT_HAND RIGHT_HANDTIP RIGHT_THUMB \
    LEFT_HIP LEFT_KNEE LEFT_ANKLE LEFT_FOOT RIGHT_HIP RIGHT_KNEE RIGHT_ANKLE RIGHT_FOOT HEAD NOSE LEFT_EYE LEFT_EAR \
    RIGHT_EYE RIGHT_EAR LEFT_HEEL RIGHT_HEEL";
const ZED_38: &str = "PELVIS SPINE_1 SPINE_2 SPINE_3 NECK NOSE LEFT_EYE RIGHT_EYE LEFT_EAR RIGHT_EAR LEFT_CLAVICLE \
    RIGHT_CLAVICLE LEFT_SHOULDER RIGHT_SHOULDER LEFT_ELBOW RIGHT_ELBOW LEFT_WRIST RIGHT_WRIST LEFT_HIP RIGHT_HIP LEFT_KNEE \
    RIGHT_KNEE LEFT_ANKLE RIGHT_ANKLE LEFT_BIG_TOE RIGHT_BIG_TOE LEFT_SMALL_TOE RIGHT_SMALL_TOE LEFT_HEEL RIGHT_HEEL \
    LEFT_HAND_THUMB_4 RIGHT_HAND_THUMB_4 LEFT_HAND_INDEX_1 RIGHT_HAND_INDEX_1 LEFT_HAND_MIDDLE_4 RIGHT_HAND_MIDDLE_4 \
    LEFT_HAND_PINKY_1 RIGHT_HAND_PINKY_1";
/// SMPL, JOINT_NAMES of the smplx package, hands as one joint each.
const SMPL: &str = "pelvis left_hip right_hip spine1 left_knee right_knee spine2 left_ankle right_ankle spine3 left_foot \
    right_foot neck left_collar right_collar head left_shoulder right_shoulder left_elbow right_elbow left_wrist \
    right_wrist left_hand right_hand";
/// OpenXR, openxr.h, XrBodyJointFB: numbers and names of some of the 70.
const OPENXR: [(u32, &str); 18] = [
    (0, "ROOT"),
    (1, "HIPS"),
    (2, "SPINE_LOWER"),
    (5, "CHEST"),
    (7, "HEAD"),
    (8, "LEFT_SHOULDER"),
    (9, "LEFT_SCAPULA"),
    (10, "LEFT_ARM_UPPER"),
    (11, "LEFT_ARM_LOWER"),
    (12, "LEFT_HAND_WRIST_TWIST"),
    (15, "RIGHT_ARM_UPPER"),
    (18, "LEFT_HAND_PALM"),
    (19, "LEFT_HAND_WRIST"),
    (23, "LEFT_HAND_THUMB_TIP"),
    (31, "LEFT_HAND_MIDDLE_INTERMEDIATE"),
    (54, "RIGHT_HAND_INDEX_TIP"),
    (59, "RIGHT_HAND_MIDDLE_TIP"),
    (69, "RIGHT_HAND_LITTLE_TIP"),
];
/// Xsens MVN, network streamer protocol: the 23 segments, numbered from 1.
const XSENS: &str = "Pelvis L5 L3 T12 T8 Neck Head RightShoulder RightUpperArm RightForeArm RightHand LeftShoulder \
    LeftUpperArm LeftForeArm LeftHand RightUpperLeg RightLowerLeg RightFoot RightToe LeftUpperLeg LeftLowerLeg LeftFoot \
    LeftToe";
/// Nuitrack, nuitrack/types/Skeleton.h, JointType.
const NUITRACK: &str = "NONE HEAD NECK TORSO WAIST LEFT_COLLAR LEFT_SHOULDER LEFT_ELBOW LEFT_WRIST LEFT_HAND LEFT_FINGERTIP \
    RIGHT_COLLAR RIGHT_SHOULDER RIGHT_ELBOW RIGHT_WRIST RIGHT_HAND RIGHT_FINGERTIP LEFT_HIP LEFT_KNEE LEFT_ANKLE LEFT_FOOT \
    RIGHT_HIP RIGHT_KNEE RIGHT_ANKLE RIGHT_FOOT";
/// ros4hri, hri_msgs/msg/Skeleton2D.msg.
const REP155: &str = "NOSE NECK RIGHT_SHOULDER RIGHT_ELBOW RIGHT_WRIST LEFT_SHOULDER LEFT_ELBOW LEFT_WRIST RIGHT_HIP \
    RIGHT_KNEE RIGHT_ANKLE LEFT_HIP LEFT_KNEE LEFT_ANKLE LEFT_EYE RIGHT_EYE LEFT_EAR RIGHT_EAR";

const LISTS: [(&str, &str, u32); 11] = [
    ("mediapipe_33", MEDIAPIPE, 0),
    ("openpose_body_25", OPENPOSE, 0),
    ("coco_17", COCO, 0),
    ("azure_kinect_32", AZURE, 0),
    ("zed_body_18", ZED_18, 0),
    ("zed_body_34", ZED_34, 0),
    ("zed_body_38", ZED_38, 0),
    ("smpl_24", SMPL, 0),
    ("xsens_23", XSENS, 1),
    ("nuitrack_25", NUITRACK, 0),
    ("rep155", REP155, 0),
];

#[test]
fn tables_have_the_names_and_numbers_that_are_published() {
    for (name, published, first) in LISTS {
        let table = Table::find(name).unwrap();
        let got: Vec<(u32, &str)> =
            table.tracker.keypoints.iter().map(|point| (point.id, point.name.as_str())).collect();
        let expected: Vec<(u32, &str)> = (first..).zip(published.split_whitespace()).collect();
        assert_eq!(got, expected, "{name}");
    }
    let table = Table::find("openxr_fb_70").unwrap();
    assert_eq!(table.tracker.keypoints.len(), 70);
    for (id, name) in OPENXR {
        assert_eq!(table.tracker.keypoints[id as usize].name, name);
        assert_eq!(table.tracker.keypoints[id as usize].id, id);
    }
}

/// Which side a name tells: left is positive.
fn side(name: &str) -> Option<f64> {
    let lower = name.to_lowercase();
    match (lower.contains("left"), lower.contains("right"), name.as_bytes()) {
        (true, ..) => Some(1.0),
        (_, true, _) => Some(-1.0),
        (_, _, [b'L', b'A'..=b'Z', b'a'..=b'z', ..]) => Some(1.0),
        (_, _, [b'R', b'A'..=b'Z', b'a'..=b'z', ..]) => Some(-1.0),
        _ => None,
    }
}

/// Where a keypoint is when the body stands in its T pose: metres, x to the left, y up, z forward.
fn place(table: &Table, point: usize) -> Vector3<f64> {
    let rest = forward(&[UnitQuaternion::identity(); JOINTS]).positions;
    match point.checked_sub(JOINTS + 1) {
        Some(leaf) => {
            rest[table.leaves[leaf].joint.map_or(0, |joint| joint + 1)] + Vector3::from(table.leaves[leaf].offset)
        }
        None => rest[point],
    }
}

#[test]
fn keypoints_are_on_their_side_and_where_their_names_say() {
    for (name, ..) in LISTS.into_iter().chain([("openxr_fb_70", "", 0), ("joints", "", 0)]) {
        let table = Table::find(name).unwrap();
        let used =
            table.tracker.keypoints.iter().filter_map(|keypoint| Some((keypoint.name.as_str(), keypoint.point?)));
        let mut count = 0;
        for (keypoint, point) in used {
            let (at, lower) = (place(&table, point), keypoint.to_lowercase());
            match side(keypoint) {
                Some(side) => assert!(at.x * side > 0.005, "{name}: {keypoint} at {at:?}"),
                None => assert!(at.x.abs() < 1e-9, "{name}: {keypoint} at {at:?}"),
            }
            let height = at.y;
            let expected = match lower.as_str() {
                text if text.contains("eye")
                    || text.contains("nose")
                    || text.contains("ear") && !text.contains("fore") =>
                {
                    0.55..0.75
                }
                text if text.contains("knee") || text.contains("lowerleg") => -0.6..-0.4,
                text if text.contains("ankle")
                    || text.contains("toe")
                    || text.contains("heel")
                    || text.contains("foot") =>
                {
                    -1.05..-0.9
                }
                text if text.contains("wrist") || text.contains("elbow") || text.contains("thumb") => 0.3..0.5,
                _ => -1.1..0.8,
            };
            assert!(expected.contains(&height), "{name}: {keypoint} at {at:?}");
            count += 1;
        }
        assert!(count >= 17, "{name}: {count} keypoints are used");
    }
}
