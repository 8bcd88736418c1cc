//! Messages as the middleware writes them.

use std::io::Cursor;

use image::{ExtendedColorType, ImageEncoder, codecs::jpeg::JpegEncoder, codecs::png::PngEncoder};
use thalweg_record::cdr::Encoder;
use thalweg_tests::zed;

use super::Seeds;
use crate::messages::NOW;

const SECOND: i64 = 1_000_000_000;

fn header(frame: &str) -> Encoder {
    let mut encoder = Encoder::new();
    encoder.i32(i32::try_from(NOW / SECOND).expect("a second of ROS time"));
    encoder.u32(0);
    encoder.text(frame);
    encoder
}

fn joint_state(names: &[&str], positions: &[f64], velocities: &[f64]) -> Vec<u8> {
    let mut encoder = header("base");
    encoder.length(names.len());
    names.iter().for_each(|name| encoder.text(name));
    encoder.f64s(positions);
    encoder.f64s(velocities);
    encoder.f64s(&[]);
    encoder.finish()
}

pub(crate) fn joints() -> Seeds {
    let whole = joint_state(&["hip", "knee", "lift"], &[0.5, 1.0, 0.25], &[0.0; 3]);
    // The same in the other byte order: header and lengths swapped by hand would be another encoder.
    let mut big = vec![0, 0, 0, 0];
    big.extend([0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 4]);
    big.extend(*b"hip\0");
    big.extend([0, 0, 0, 1, 0, 0, 0, 0]);
    big.extend(0.5_f64.to_be_bytes());
    big.extend([0; 8]);
    vec![
        ("whole", whole),
        ("nan", joint_state(&["hip", "knee"], &[f64::NAN, 1e19], &[])),
        ("unknown", joint_state(&["hip", "hips", "\u{1b}[2J"], &[0.1, 0.2], &[])),
        ("twice", joint_state(&["hip", "hip"], &[0.1, 2.4], &[])),
        ("heartbeat", joint_state(&[], &[], &[])),
        ("big_endian", big),
    ]
}

fn cloud(names: &[&str], datatype: u8, size: u32, values: &[u8], points: u32) -> Vec<u8> {
    let mut encoder = header("base");
    encoder.u32(1);
    encoder.u32(points);
    encoder.length(names.len());
    for (place, name) in (0..).zip(names) {
        encoder.text(name);
        encoder.u32(place * size);
        encoder.u8(datatype);
        encoder.u32(1);
    }
    encoder.u8(0);
    let step = size * u32::try_from(names.len()).expect("a few");
    encoder.u32(step);
    encoder.u32(step * points);
    encoder.bytes(values);
    encoder.u8(1);
    encoder.finish()
}

pub(crate) fn points() -> Seeds {
    let singles: Vec<u8> =
        [0.1_f32, 0.2, 0.3, f32::NAN, 1e19, -0.3].iter().flat_map(|value| value.to_le_bytes()).collect();
    let doubles: Vec<u8> =
        [0.1_f64, 0.2, 0.3, 0.4, 1e300, 5e-324].iter().flat_map(|value| value.to_le_bytes()).collect();
    vec![
        ("singles", cloud(&["x", "y", "z"], 7, 4, &singles, 2)),
        ("doubles", cloud(&["x", "y", "z"], 8, 8, &doubles, 2)),
        ("no_z", cloud(&["x", "y"], 7, 4, &singles[..16], 2)),
        ("bytes", cloud(&["z", "y", "x"], 2, 1, &[1, 2, 3, 4, 5, 6], 2)),
        ("numbered", cloud(&["x", "y", "z", "id", "intensity"], 7, 4, &numbered(), 2)),
        ("markers", markers()),
        ("poses", poses()),
        ("objects", objects()),
        ("skeleton", skeleton()),
        ("pixels", cloud(&["x", "y", "id", "intensity"], 7, 4, &seen(), 2)),
    ]
}

/// `zed_msgs/ObjectsStamped` of two people.
fn objects() -> Vec<u8> {
    let keypoints = [[100.0, 200.0, 300.0]; 18];
    let person = zed::Person { label_id: 3, body_format: 0, keypoints: &keypoints, confidence: Some(80.0) };
    let sec = i32::try_from(NOW / SECOND).expect("a second of ROS time");
    zed::objects(sec, &[person, zed::Person { label_id: 4, ..person }])
}

/// `sensor_msgs/CameraInfo`, with the lens and the focal length that are given.
fn camera_info(model: &str, d: &[f64], focal: f64) -> Vec<u8> {
    let mut encoder = header("camera");
    encoder.u32(480);
    encoder.u32(640);
    encoder.text(model);
    encoder.f64s(d);
    doubles(&mut encoder, &[focal, 0.0, 320.0, 0.0, focal, 240.0, 0.0, 0.0, f64::from(u8::from(focal != 0.0))]);
    doubles(&mut encoder, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    doubles(&mut encoder, &[focal, 0.0, 320.0, 0.0, 0.0, focal, 240.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    (0..6).for_each(|_| encoder.u32(0));
    encoder.u8(0);
    encoder.finish()
}

pub(crate) fn camera() -> Seeds {
    vec![
        ("plumb_bob", camera_info("plumb_bob", &[-0.28, 0.09, 0.0008, -0.0005, -0.01], 554.0)),
        ("rational", camera_info("rational_polynomial", &[4.1, 2.3, 0.0003, -0.0002, 0.12, 4.4, 3.7, 0.6], 554.0)),
        ("equidistant", camera_info("equidistant", &[-0.02, 0.01, -0.005, 0.001], 300.0)),
        ("uncalibrated", camera_info("plumb_bob", &[], 0.0)),
        ("fov", camera_info("fov", &[0.9], 554.0)),
    ]
}

/// `hri_msgs/Skeleton2D`.
fn skeleton() -> Vec<u8> {
    let mut encoder = header("camera");
    for at in 0..18_u8 {
        let share = f32::from(at) / 20.0;
        [share, 1.0 - share, 0.9].into_iter().for_each(|value| encoder.u32(value.to_bits()));
    }
    encoder.finish()
}

/// Two keypoints of the second person, in pixels.
fn seen() -> Vec<u8> {
    let points = [[100.0_f32, 200.0, 201.0, 0.9], [300.0, 50.0, 202.0, 0.7]];
    points.as_flattened().iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Two keypoints of the second person.
fn numbered() -> Vec<u8> {
    let points = [[0.1_f32, 0.2, 0.3, 201.0, 0.9], [0.4, 0.5, 0.6, 202.0, 0.2]];
    points.as_flattened().iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn doubles(encoder: &mut Encoder, values: &[f64]) {
    values.iter().for_each(|value| encoder.u64(value.to_bits()));
}

/// `geometry_msgs/PoseArray`.
fn poses() -> Vec<u8> {
    let mut encoder = header("camera");
    encoder.length(2);
    doubles(&mut encoder, &[0.1, 0.2, 0.3, 0.0, 0.0, 0.0, 1.0]);
    doubles(&mut encoder, &[0.4, f64::NAN, 0.6, 0.0, 0.0, 0.0, 1.0]);
    encoder.finish()
}

/// `visualization_msgs/MarkerArray` of one marker, with all that a marker may have.
fn markers() -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.length(1);
    let stamp = |encoder: &mut Encoder| {
        encoder.i32(i32::try_from(NOW / SECOND).expect("a second of ROS time"));
        encoder.u32(0);
        encoder.text("camera");
    };
    stamp(&mut encoder);
    encoder.text("bodies");
    [101, 2, 0].into_iter().for_each(|value| encoder.i32(value));
    doubles(&mut encoder, &[0.1, 0.2, 0.3, 0.0, 0.0, 0.0, 1.0, 0.05, 0.05, 0.05]);
    (0..4).for_each(|_| encoder.u32(1.0_f32.to_bits()));
    encoder.i32(0);
    encoder.u32(0);
    encoder.u8(0);
    encoder.length(1);
    doubles(&mut encoder, &[0.1, 0.2, 0.3]);
    encoder.length(1);
    (0..4).for_each(|_| encoder.u32(0));
    encoder.text("");
    stamp(&mut encoder);
    encoder.text("");
    encoder.bytes(&[]);
    encoder.length(1);
    (0..2).for_each(|_| encoder.u32(0));
    ["joint", "", ""].into_iter().for_each(|text| encoder.text(text));
    encoder.bytes(&[]);
    encoder.u8(0);
    encoder.finish()
}

fn picture_message(encoding: &str, [height, width]: [u32; 2], step: u32, is_bigendian: u8, data: &[u8]) -> Vec<u8> {
    let mut encoder = header("camera");
    encoder.u32(height);
    encoder.u32(width);
    encoder.text(encoding);
    encoder.u8(is_bigendian);
    encoder.u32(step);
    encoder.bytes(data);
    encoder.finish()
}

fn ramp(count: usize) -> Vec<u8> {
    (0..count).map(|index| (index * 7 % 256) as u8).collect()
}

pub(crate) fn image() -> Seeds {
    vec![
        ("rgb8", picture_message("rgb8", [4, 6], 18, 0, &ramp(72))),
        ("rgba8_padded", picture_message("rgba8", [3, 4], 20, 0, &ramp(60))),
        ("mono16_big", picture_message("mono16", [4, 4], 8, 1, &ramp(32))),
        (
            "float",
            picture_message("32FC1", [2, 2], 8, 0, &[0, 0, 0x80, 0x3f, 0, 0, 0xc0, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0x7f]),
        ),
        ("bayer", picture_message("bayer_rggb8", [4, 4], 4, 0, &ramp(16))),
        ("yuyv", picture_message("yuv422_yuy2", [2, 4], 8, 0, &ramp(16))),
        ("nv12", picture_message("nv12", [4, 4], 4, 0, &ramp(24))),
        ("short", picture_message("bgr8", [9000, 9000], 27000, 0, &ramp(12))),
    ]
}

pub(crate) fn mask() -> Seeds {
    vec![
        ("mono8", picture_message("mono8", [4, 6], 6, 0, &[0, 255].repeat(12))),
        ("other_size", picture_message("8UC1", [2, 3], 3, 0, &[1, 0, 1, 0, 1, 0])),
        ("mono16", picture_message("mono16", [1, 2], 4, 0, &[0, 1, 0, 0])),
        ("colour", picture_message("rgb8", [1, 1], 3, 0, &[0, 0, 0])),
    ]
}

fn png(data: &[u8], [width, height]: [u32; 2], colour: ExtendedColorType) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    PngEncoder::new(&mut file).write_image(data, width, height, colour).expect("a picture can be encoded");
    file.into_inner()
}

fn jpeg(data: &[u8], [width, height]: [u32; 2], colour: ExtendedColorType) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    JpegEncoder::new_with_quality(&mut file, 40).encode(data, width, height, colour).expect("a picture can be encoded");
    file.into_inner()
}

/// The picture without its Huffman tables (marker FFC4), as webcams send it.
fn without_tables(jpeg: &[u8]) -> Vec<u8> {
    let mut rest = jpeg;
    let mut left = Vec::new();
    while let Some(place) = rest.windows(2).position(|pair| pair == [0xFF, 0xC4]) {
        left.extend_from_slice(&rest[..place]);
        let length = usize::from(u16::from_be_bytes([rest[place + 2], rest[place + 3]]));
        rest = &rest[place + 2 + length..];
    }
    left.extend_from_slice(rest);
    left
}

pub(crate) fn picture() -> Seeds {
    let colour = jpeg(&ramp(16 * 8 * 3), [16, 8], ExtendedColorType::Rgb8);
    vec![
        ("rgb.png", png(&ramp(72), [6, 4], ExtendedColorType::Rgb8)),
        ("rgba16.png", png(&ramp(64), [2, 4], ExtendedColorType::Rgba16)),
        ("grey.png", png(&ramp(24), [6, 4], ExtendedColorType::L8)),
        ("no_tables.jpg", without_tables(&colour)),
        ("rgb.jpg", colour),
        ("grey.jpg", jpeg(&ramp(64), [8, 8], ExtendedColorType::L8)),
    ]
}

pub(crate) fn compressed() -> Seeds {
    let message = |format: &str, data: &[u8]| {
        let mut encoder = header("camera");
        encoder.text(format);
        encoder.bytes(data);
        encoder.finish()
    };
    let files = picture().into_iter().map(|(name, data)| (name, message("rgb8; jpeg compressed bgr8", &data)));
    let depth = [&[0; 12][..], &png(&ramp(8), [2, 2], ExtendedColorType::L16)].concat();
    files.chain([("depth", message("16UC1; compressedDepth png", &depth))]).collect()
}

pub(crate) fn clock() -> Seeds {
    let of = |sec: i32, nanosec: u32| {
        let mut encoder = Encoder::new();
        encoder.i32(sec);
        encoder.u32(nanosec);
        encoder.finish()
    };
    vec![("begin", of(0, 0)), ("usual", of(1_700_000_000, 999_999_999)), ("bad", of(-1, u32::MAX))]
}
