//! Properties: whatever comes, nothing panics, nothing infinite leaves, and a good message after
//! it is used whole.

use proptest::collection::vec;
use proptest::prelude::*;
use thalweg_node::intake::{Input, Intake, IntakeConfig, Stamp, decode_image, decode_points};

use crate::messages::{Cloud, Joints, NOW, Picture, at, image_spec, points_spec, task_spec};

/// A number of bytes that is often right, sometimes off by a little, sometimes absurd.
fn length(right: usize) -> impl Strategy<Value = usize> {
    prop_oneof![6 => Just(right), 1 => 0..=right + 4, 1 => 0_usize..300]
}

fn small_or_absurd(limit: u32) -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0..=limit, 1 => any::<u32>(), 1 => Just(u32::MAX)]
}

fn stamps() -> impl Strategy<Value = Stamp> {
    prop_oneof![
        2 => Just(at(NOW)),
        1 => Just(Stamp::default()),
        1 => (any::<i32>(), any::<u32>()).prop_map(|(sec, nanosec)| Stamp { sec, nanosec }),
        1 => (-10_000_000_000_i64..10_000_000_000).prop_map(|offset| at(NOW + offset)),
    ]
}

fn names() -> impl Strategy<Value = String> {
    let joint = prop::sample::select(vec!["hip", "knee", "lift"]).prop_map(str::to_owned);
    prop_oneof![4 => joint, 1 => any::<String>(), 1 => "[a-z]{0,300}"]
}

fn numbers() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), -10.0..10.0, any::<u64>().prop_map(f64::from_bits)]
}

prop_compose! {
    fn joints()(stamp in stamps(), frame_id in any::<String>(), has_other_fields in any::<bool>(),
                names in vec(names(), 0..8), mut positions in vec(numbers(), 8), cut in length(8)) -> Joints {
        positions.truncate(if cut == 8 { names.len() } else { cut });
        Joints { stamp, frame_id, names, positions, has_other_fields }
    }
}

/// Encodings and the bytes of their pixels.
const ENCODINGS: [(&str, usize); 11] = [
    ("mono8", 1),
    ("mono16", 2),
    ("bgr8", 3),
    ("rgba8", 4),
    ("16UC1", 2),
    ("32FC1", 4),
    ("32FC3", 12),
    ("bayer", 1),
    ("yuyv", 2),
    ("nv12", 1),
    ("bayer_gbrg16", 2),
];

fn pictures() -> impl Strategy<Value = Picture> {
    let sizes = (prop::sample::select(&ENCODINGS[..]), small_or_absurd(9), small_or_absurd(9), 0_usize..4);
    sizes.prop_flat_map(|((encoding, bytes), height, width, padding)| {
        let step = (width as usize).saturating_mul(bytes) + padding;
        let whole = step.saturating_mul(height as usize).min(2000);
        let step = prop_oneof![6 => Just(u32::try_from(step).unwrap_or(u32::MAX)), 1 => any::<u32>()];
        let data = length(whole).prop_flat_map(|bytes| vec(any::<u8>(), bytes));
        (stamps(), any::<String>(), step, any::<u8>(), data).prop_map(
            move |(stamp, frame_id, step, is_bigendian, data)| {
                let encoding = encoding.to_owned();
                Picture { stamp, frame_id, height, width, encoding, is_bigendian, step, data }
            },
        )
    })
}

fn fields() -> impl Strategy<Value = Vec<(String, u32, u8, u32)>> {
    let good = |kind: u8, size: u32| {
        ["x", "y", "z"]
            .iter()
            .zip(0..)
            .map(|(name, place)| (name.to_string(), place * size, kind, 1))
            .collect::<Vec<_>>()
    };
    let name = prop_oneof![Just("x".to_owned()), Just("y".to_owned()), Just("z".to_owned()), any::<String>()];
    let any_field = (name, small_or_absurd(20), any::<u8>(), small_or_absurd(2));
    prop_oneof![3 => Just(good(7, 4)), 3 => Just(good(8, 8)), 2 => vec(any_field, 0..6)]
}

fn clouds() -> impl Strategy<Value = Cloud> {
    let sizes = (small_or_absurd(3), small_or_absurd(3), prop_oneof![Just(24_u32), small_or_absurd(30)], 0_u32..4);
    sizes.prop_flat_map(|(height, width, point_step, padding)| {
        let row = width.saturating_mul(point_step).saturating_add(padding);
        let whole = (row as usize).saturating_mul(height as usize).min(2000);
        let data = length(whole).prop_flat_map(|bytes| vec(any::<u8>(), bytes));
        let frame = prop_oneof![3 => Just("world".to_owned()), 1 => any::<String>()];
        let row_step = prop_oneof![6 => Just(row), 1 => any::<u32>()];
        (stamps(), frame, fields(), any::<bool>(), row_step, data).prop_map(
            move |(stamp, frame_id, fields, is_bigendian, row_step, data)| Cloud {
                stamp,
                frame_id,
                height,
                width,
                fields,
                is_bigendian,
                point_step,
                row_step,
                data,
            },
        )
    })
}

/// Whether every value may leave: NaN, or finite.
fn may_leave(values: &[f32]) -> bool {
    values.iter().all(|value| !value.is_infinite())
}

/// Takes good messages at `now`; they must be used whole, and the observation fit the task.
fn good_is_used(intake: &mut Intake, now: i64) {
    let stamp = at(now);
    let joints = Joints::new(&["hip", "knee", "lift"], &[0.1, 0.2, 0.3]).stamped(stamp);
    assert_eq!(intake.take_joints(&joints.message(), now).used, 3);
    let picture = Picture { stamp, ..Picture::new("mono8", 4, 4, &[100; 16]) };
    assert_eq!(intake.take_image(&picture.message(), now).used, 16);
    let cloud = Cloud { stamp, ..Cloud::new(&[[1.0; 3], [2.0; 3]]) };
    assert_eq!(intake.take_points(&cloud.message(&cloud.fields()), now).used, 6);
    let (obs, provenance) = intake.observation(now).expect("observed");
    obs.validate(&task_spec()).expect("fits the task");
    assert_eq!((obs.observed(), provenance.observed_joints), (3 + 16 + 6, vec![true; 3]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn images_of_any_bytes_decode_to_brightness_or_are_refused(
        picture in pictures(), channels in 0_i64..5, height in 0_i64..12, width in 0_i64..12,
    ) {
        if let Ok(decoded) = decode_image(&picture.message(), &image_spec(channels, height, width)) {
            prop_assert_eq!(decoded.values.len() as i64, channels * height * width);
            prop_assert!(decoded.values.iter().all(|value| value.is_nan() || (0.0..=1.0).contains(value)));
        }
    }

    #[test]
    fn clouds_of_any_bytes_decode_to_finite_points_or_are_refused(cloud in clouds(), count in 0_usize..5) {
        if let Ok(Some(decoded)) = decode_points(&cloud.message(&cloud.fields()), &points_spec(count)) {
            prop_assert_eq!(decoded.values.len(), count * 3);
            prop_assert!(may_leave(&decoded.values));
        }
    }

    #[test]
    fn texts_of_refusals_are_one_short_line(joints in joints(), picture in pictures(), cloud in clouds()) {
        let mut intake = Intake::new(&task_spec(), IntakeConfig::default());
        let mut refusals = intake.take_joints(&joints.message(), NOW).refusals;
        refusals.extend(intake.take_image(&picture.message(), NOW).refusals);
        refusals.extend(intake.take_points(&cloud.message(&cloud.fields()), NOW).refusals);
        for refusal in refusals {
            prop_assert!(!refusal.text.chars().any(char::is_control), "{:?}", refusal);
            prop_assert!(refusal.text.contains("got") && refusal.text.contains("expected"), "{:?}", refusal);
            prop_assert!(refusal.text.chars().count() < 1100, "{:?}", refusal);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn after_any_messages_good_ones_are_used_whole(
        garbage in vec((joints(), pictures(), clouds()), 1..12), times in vec(any::<i64>(), 12),
    ) {
        let mut intake = Intake::new(&task_spec(), IntakeConfig::default());
        for (index, (joints, picture, cloud)) in garbage.iter().enumerate() {
            let now = if index % 3 == 0 { times[index] } else { NOW };
            intake.take_joints(&joints.message(), now);
            intake.take_image(&picture.message(), now);
            intake.take_points(&cloud.message(&cloud.fields()), now);
            if let Some((obs, _)) = intake.observation(now) {
                prop_assert!(obs.validate(&task_spec()).is_ok());
            }
        }
        for input in [Input::Joints, Input::Image, Input::Points] {
            prop_assert_eq!(intake.channel(input).seen, garbage.len() as u64);
        }
        prop_assert!(intake.unknown_names().count() <= 256);
        good_is_used(&mut intake, NOW + 20_000_000_000);
    }
}
