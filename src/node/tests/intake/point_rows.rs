//! Rows P1 to P12 and P14.

use thalweg_node::intake::{Cause, Decoded, Refusal, decode_points};

use crate::messages::{Cloud, points_spec};

const TWO: [[f32; 3]; 2] = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];

fn decode(cloud: &Cloud) -> Result<Option<Decoded>, Refusal> {
    decode_points(&cloud.message(&cloud.fields()), &points_spec(2))
}

fn values(cloud: &Cloud) -> Vec<f32> {
    decode(cloud).expect("a good cloud").expect("not empty").values
}

fn refused(cloud: &Cloud) -> Refusal {
    decode(cloud).expect_err("refused")
}

fn changed(change: impl FnOnce(&mut Cloud)) -> Cloud {
    let mut cloud = Cloud::new(&TWO);
    change(&mut cloud);
    cloud
}

#[test]
fn p0_a_good_cloud_is_read_in_order() {
    assert_eq!(values(&Cloud::new(&TWO)), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn p1_a_point_step_of_zero_is_refused() {
    assert_eq!(refused(&changed(|cloud| cloud.point_step = 0)).cause, Cause::BadLayout);
}

#[test]
fn p2_missing_fields_are_refused_and_those_that_came_listed() {
    for (name, cloud) in [
        ("'X'", changed(|cloud| cloud.fields[0].0 = "X".into())),
        ("'x', 'y'", changed(|cloud| drop(cloud.fields.pop()))),
        ("none", changed(|cloud| cloud.fields.clear())),
        ("'x', 'y', '\\u{1b}[2J'", changed(|cloud| cloud.fields[2].0 = "\u{1b}[2J".into())),
    ] {
        let refusal = refused(&cloud);
        assert_eq!(refusal.cause, Cause::MissingField);
        assert!(refusal.text.contains(&format!("got fields {name}")), "{refusal}");
    }
}

#[test]
fn p3_fields_that_leave_the_point_or_overlap_are_refused() {
    for cloud in [
        changed(|cloud| cloud.fields[2].1 = 9),
        changed(|cloud| cloud.fields[2].1 = u32::MAX),
        changed(|cloud| cloud.fields[1].1 = 2),
        changed(|cloud| cloud.fields[1].1 = 0),
        changed(|cloud| cloud.fields.push(("x".into(), 4, 7, 1))),
        changed(|cloud| cloud.fields.push(("intensity".into(), 10, 2, 1))),
        changed(|cloud| cloud.fields.push(("intensity".into(), 12, 7, 1))),
        changed(|cloud| cloud.fields.push(("descriptor".into(), 11, 8, u32::MAX))),
    ] {
        assert_eq!(refused(&cloud).cause, Cause::BadLayout, "{:?}", cloud.fields);
    }
}

#[test]
fn p4_types_that_are_no_floats_are_refused_by_name() {
    for (datatype, count, name) in [
        (3, 1, "INT16"),
        (99, 1, "unknown type 99"),
        (0, 1, "unknown type 0"),
        (7, 2, "2 x FLOAT32"),
        (7, 0, "0 x FLOAT32"),
    ] {
        let refusal = refused(&changed(|cloud| (cloud.fields[1].2, cloud.fields[1].3) = (datatype, count)));
        assert_eq!(refusal.cause, Cause::BadLayout);
        assert!(refusal.text.contains(name) && refusal.text.contains("field y"), "{refusal}");
    }
}

/// Points of FLOAT64 z, y, x at odd offsets, three bytes of something before them.
fn doubles(points: &[[f64; 3]], bytes: impl Fn(f64) -> [u8; 8]) -> Cloud {
    let mut cloud = Cloud::new(&TWO);
    cloud.fields = ["z", "y", "x"].iter().zip([3, 11, 19]).map(|(name, at)| (name.to_string(), at, 8, 1)).collect();
    (cloud.point_step, cloud.row_step) = (27, 54);
    let point = |p: &[f64; 3]| [vec![7; 3], bytes(p[2]).to_vec(), bytes(p[1]).to_vec(), bytes(p[0]).to_vec()].concat();
    cloud.data = points.iter().flat_map(point).collect();
    cloud
}

#[test]
fn p4_doubles_are_read() {
    let cloud = doubles(&[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], f64::to_le_bytes);
    assert_eq!(values(&cloud), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn p5_padded_rows_are_read_and_other_lengths_refused() {
    let padded = changed(|cloud| {
        (cloud.height, cloud.width, cloud.row_step) = (2, 1, 16);
        cloud.data.splice(12..12, [9; 4]);
    });
    assert_eq!(values(&padded), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    for cloud in [
        changed(|cloud| cloud.row_step = 23),
        changed(|cloud| cloud.data.truncate(23)),
        changed(|cloud| cloud.data.clear()),
        changed(|cloud| cloud.data.push(0)),
    ] {
        assert_eq!(refused(&cloud).cause, Cause::BadLayout);
    }
}

#[test]
fn p6_unaligned_offsets_are_read() {
    let cloud = changed(|cloud| {
        (cloud.point_step, cloud.row_step) = (13, 26);
        cloud.fields.iter_mut().for_each(|field| field.1 += 1);
        cloud.data.insert(12, 9);
        cloud.data.insert(0, 9);
    });
    assert_eq!(values(&cloud), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn p7_big_endian_numbers_are_swapped() {
    let cloud = changed(|cloud| {
        cloud.is_bigendian = true;
        cloud.data = TWO.iter().flatten().flat_map(|value| value.to_be_bytes()).collect();
    });
    assert_eq!(values(&cloud), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let mut cloud = doubles(&[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], f64::to_be_bytes);
    cloud.is_bigendian = true;
    assert_eq!(values(&cloud), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn p8_points_that_are_not_finite_are_unobserved() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let values = values(&Cloud::new(&[[1.0, bad, 3.0], TWO[1]]));
        assert!(values[..3].iter().all(|value| value.is_nan()), "{values:?}");
        assert_eq!(values[3..], [4.0, 5.0, 6.0]);
    }
}

#[test]
fn p8_coordinates_that_overflow_are_unobserved_and_told() {
    let cloud = doubles(&[[1e300, 2.0, 3.0], [4.0, 5.0, 6.0]], f64::to_le_bytes);
    let decoded = decode(&cloud).expect("used").expect("not empty");
    assert!(decoded.values[..3].iter().all(|value| value.is_nan()));
    assert_eq!((decoded.notices.len(), decoded.notices[0].cause), (1, Cause::Overflow));
}

#[test]
fn p9_a_size_without_data_is_refused() {
    let cloud = changed(|cloud| {
        (cloud.height, cloud.width, cloud.row_step, cloud.point_step) = (u32::MAX, u32::MAX, u32::MAX, 12);
        cloud.data.clear();
    });
    assert_eq!(refused(&cloud).cause, Cause::BadLayout);
}

#[test]
fn p10_a_scan_is_refused_unread() {
    let cloud = changed(|cloud| {
        (cloud.width, cloud.point_step, cloud.row_step) = (1_000_001, 12, 12 * 1_000_001);
        cloud.data = vec![0; 12 * 1_000_001];
    });
    let refusal = refused(&cloud);
    assert_eq!(refusal.cause, Cause::TooManyPoints);
    assert!(refusal.text.contains("got 1000001 points; expected 2"), "{refusal}");
}

#[test]
fn p11_an_empty_cloud_observes_nothing() {
    let cloud = changed(|cloud| {
        (cloud.width, cloud.row_step, cloud.point_step) = (0, 0, 0);
        cloud.fields.clear();
        cloud.data.clear();
    });
    assert_eq!(decode(&cloud), Ok(None));
}

#[test]
fn p12_another_frame_is_refused_and_both_are_named() {
    let refusal = refused(&changed(|cloud| cloud.frame_id = "camera\n".into()));
    assert_eq!(refusal.cause, Cause::WrongFrame);
    assert!(refusal.text.contains("'camera\\n'") && refusal.text.contains("'world'"), "{refusal}");
    assert_eq!(values(&changed(|cloud| cloud.frame_id.clear())), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn p14_another_number_of_points_is_refused() {
    for (points, count) in [(&TWO[..1], 1), (&[TWO[0]; 3][..], 3)] {
        let refusal = refused(&Cloud::new(points));
        assert_eq!(refusal.cause, Cause::WrongCount);
        assert!(refusal.text.contains(&format!("got {count} points; expected 2")), "{refusal}");
    }
}

/// As many points as a body has, apart from each other by decimetres.
fn body(scale: f32) -> Vec<[f32; 3]> {
    (0..22).map(|place| [0.03 * place as f32 * scale, 0.5 * scale, -0.2 * scale]).collect()
}

fn decode_body(points: &[[f32; 3]]) -> Result<Decoded, Refusal> {
    let cloud = Cloud::new(points);
    decode_points(&cloud.message(&cloud.fields()), &points_spec(22)).map(|decoded| decoded.expect("not empty"))
}

#[test]
fn p8_a_point_that_is_farther_than_anything_reaches_is_unobserved_and_told() {
    let mut points = body(1.0);
    points[21][0] = 1e19;
    let decoded = decode_body(&points).expect("the others are used");
    assert!(decoded.values[63..].iter().all(|value| value.is_nan()));
    assert!(decoded.values[..63].iter().all(|value| value.is_finite()));
    let [refusal] = &decoded.notices[..] else { panic!("{:?}", decoded.notices) };
    assert_eq!((refusal.cause, refusal.is_used), (Cause::OutOfLimits, false));
    assert!(refusal.text.contains("1 of 22 points, first 'point_21': got 1e19"), "{refusal}");
    assert!(refusal.text.contains("expected -100.0 to 100.0 m; not used"), "{refusal}");
}

#[test]
fn p8_a_cloud_in_millimetres_is_refused_as_a_whole() {
    let refusal = decode_body(&body(1000.0)).expect_err("refused");
    assert_eq!(refusal.cause, Cause::OutOfLimits);
    assert!(refusal.text.contains("22 of 22 points") && refusal.text.contains("millimetres"), "{refusal}");
}

#[test]
fn p8_zeros_that_stand_for_not_seen_are_unobserved_and_told() {
    let mut points = body(1.0);
    (points[7], points[9]) = ([0.0; 3], [-0.0, 0.0, 0.0]);
    let decoded = decode_body(&points).expect("the others are used");
    let hidden: Vec<_> = (0..22).filter(|place| decoded.values[3 * place].is_nan()).collect();
    assert_eq!(hidden, [7, 9]);
    let [refusal] = &decoded.notices[..] else { panic!("{:?}", decoded.notices) };
    assert_eq!(refusal.cause, Cause::ZeroPoint);
    assert!(refusal.text.contains("2 of 22 points, first 'point_7'"), "{refusal}");
    let origin = decode_body(&[&[[0.0; 3]], &body(1.0)[1..]].concat()).expect("used");
    assert_eq!((origin.notices.len(), &origin.values[..3]), (0, &[0.0; 3][..]), "one point may be the origin");
}

#[test]
fn p5_a_cloud_of_one_row_needs_no_row_step() {
    let cloud = changed(|cloud| cloud.row_step = 0);
    let decoded = decode(&cloud).expect("used").expect("not empty");
    assert_eq!(decoded.values, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(
        decoded.notices.iter().map(|notice| (notice.cause, notice.is_used)).collect::<Vec<_>>(),
        [(Cause::BadLayout, true)]
    );
    let rows = changed(|cloud| (cloud.height, cloud.width, cloud.row_step) = (2, 1, 0));
    assert_eq!(refused(&rows).cause, Cause::BadLayout, "of two rows nobody knows where the second begins");
    let short = changed(|cloud| {
        cloud.row_step = 0;
        cloud.data.truncate(23);
    });
    assert_eq!(refused(&short).cause, Cause::BadLayout);
}
