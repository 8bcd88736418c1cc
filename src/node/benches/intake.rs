//! Times what arrives: one message of joint positions, an image, named points, and an observation.
#![allow(missing_docs, reason = "criterion's macros make items without documentation")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use image::ImageEncoder;
use thalweg_node::intake::{
    CloudMessage, ColourKey, CompressedMessage, Field, ImageConfig, ImageMessage, ImageReader, Intake, IntakeConfig,
    JointMessage, Mask, Stamp, decode_image,
};
use thalweg_task::{ImageSpec, JointSpec, PointsSpec, TaskSpec};

/// Joints of the body-pose task.
const JOINTS: usize = 63;

/// Time of every message, nanoseconds.
const NOW: i64 = 1_000_000_000;

const STAMP: Stamp = Stamp { sec: 1, nanosec: 0 };

fn spec() -> TaskSpec {
    let joint =
        |index| JointSpec { name: format!("left_shoulder_{index}"), unit: "rad".into(), lower: -2.0, upper: 2.0 };
    TaskSpec {
        name: "bench".into(),
        latent: 1,
        output: vec![1],
        joints: (0..JOINTS).map(joint).collect(),
        groups: Vec::new(),
        reads_joints: true,
        image: Some(ImageSpec { channels: 3, height: 64, width: 64 }),
        points: Some(PointsSpec {
            names: (0..22).map(|point| format!("p{point}")).collect(),
            frame: "world".into(),
            tracker: None,
            cloud: 0,
            rays: false,
        }),
        skeleton: None,
        classes: Vec::new(),
        convention: None,
        residual: false,
        fingerprint: "none".into(),
        device: tch::Device::Cpu,
        kind: tch::Kind::Float,
    }
}

/// One source's message again and again; and one whose joints are mostly hidden, as a motion capture sends them.
fn joints(criterion: &mut Criterion) {
    let names: Vec<String> = spec().joints.into_iter().map(|joint| joint.name).collect();
    let full = vec![0.3; JOINTS];
    let hidden: Vec<f64> = (0..JOINTS).map(|joint| if joint % 3 == 0 { 0.3 } else { f64::NAN }).collect();
    for (label, positions) in [("joints 63", full), ("joints 63, 42 hidden", hidden)] {
        let mut intake = Intake::new(&spec(), IntakeConfig::default());
        let (names, positions) = (names.as_slice(), positions.as_slice());
        let message = JointMessage { stamp: STAMP, frame_id: "base", names, positions, has_other_fields: false };
        criterion.bench_function(label, |bencher| {
            bencher.iter(|| black_box(intake.take_joints(black_box(&message), NOW)));
        });
    }
}

/// A list of names never seen before, at every message: the worst that a publisher can do.
fn strange_joints(criterion: &mut Criterion) {
    let mut intake = Intake::new(&spec(), IntakeConfig::default());
    let mut names: Vec<String> = (0..JOINTS).map(|joint| format!("strange_name_{joint}")).collect();
    let positions = vec![0.3; JOINTS];
    let mut count = 0_u64;
    criterion.bench_function("joints 63, all unknown and new", |bencher| {
        bencher.iter(|| {
            count += 1;
            names[0] = format!("strange_name_{count}");
            let (names, positions) = (names.as_slice(), positions.as_slice());
            let message = JointMessage { stamp: STAMP, frame_id: "base", names, positions, has_other_fields: false };
            black_box(intake.take_joints(&message, NOW))
        });
    });
}

fn images(criterion: &mut Criterion) {
    let spec = ImageSpec { channels: 3, height: 64, width: 64 };
    for (label, height, width) in
        [("image 64 x 64", 64, 64), ("image 640 x 480", 480, 640), ("image 3840 x 2160", 2160, 3840)]
    {
        let data = vec![100_u8; (height * width * 3) as usize];
        let (step, data) = (width * 3, data.as_slice());
        let (encoding, is_bigendian) = ("bgr8", 0);
        let message =
            ImageMessage { stamp: STAMP, frame_id: "camera", height, width, encoding, is_bigendian, step, data };
        criterion.bench_function(label, |bencher| {
            bencher.iter(|| black_box(decode_image(black_box(&message), &spec)));
        });
    }
}

/// A frame of 4K: as it comes from a camera, with a mask, with a colour that is none, as JPEG.
fn large_images(criterion: &mut Criterion) {
    const SIZE: (u32, u32) = (2160, 3840);
    let (height, width) = SIZE;
    let reader = |key| {
        let spec = ImageSpec { channels: 3, height: 64, width: 64 };
        ImageReader::new(spec, ImageConfig { key, ..ImageConfig::default() })
    };
    let message = |encoding, step, data| {
        let frame_id = "camera";
        ImageMessage { stamp: STAMP, frame_id, height, width, encoding, is_bigendian: 0, step, data }
    };
    let pixels = (height * width) as usize;
    let (colours, marks) = (vec![100_u8; pixels * 4], vec![1_u8; pixels]);
    let rgb = message("rgb8", width * 3, &colours[..pixels * 3]);
    let rgba = message("rgba8", width * 4, &colours);
    let mask = message("mono8", width, &marks);
    let mask = Mask::of(&mask).expect("a mask");
    let key = Some(ColourKey { rgb: [0, 255, 0], tolerance: 8 });
    criterion.bench_function("4K with alpha", |bencher| {
        bencher.iter(|| black_box(reader(None).read(black_box(&rgba), None)));
    });
    criterion.bench_function("4K with a mask", |bencher| {
        bencher.iter(|| black_box(reader(None).read(black_box(&rgb), Some(&mask))));
    });
    criterion.bench_function("4K with a colour key", |bencher| {
        bencher.iter(|| black_box(reader(key).read(black_box(&rgb), None)));
    });
    let mut jpeg = Vec::new();
    // Not flat: a flat image is no work for a decoder.
    let wavy: Vec<u8> = (0..pixels * 3).map(|place| (place % 251) as u8 ^ (place / 977) as u8).collect();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 80);
    encoder.write_image(&wavy, width, height, image::ExtendedColorType::Rgb8).expect("encodes");
    let message = CompressedMessage { stamp: STAMP, frame_id: "camera", format: "jpeg", data: &jpeg };
    criterion.bench_function("4K as JPEG", |bencher| {
        bencher.iter(|| black_box(reader(None).read_compressed(black_box(&message), None)));
    });
}

/// A cloud without names, as a depth camera sends it: waves on a wall.
fn clouds(criterion: &mut Criterion) {
    let fields = [("x", 0), ("y", 4), ("z", 8)].map(|(name, offset)| Field { name, offset, datatype: 7, count: 1 });
    for (label, height, width) in [("cloud 640 x 480", 480_u32, 640_u32), ("cloud 500,000", 1, 500_000)] {
        let point = |at: u32| {
            let (x, y) = (f64::from(at % 640) / 640.0, f64::from(at / 640) / 640.0);
            [x, y, 2.0 + 0.1 * (9.0 * x).sin()].map(|axis| axis as f32)
        };
        let data: Vec<u8> = (0..height * width).flat_map(point).flat_map(f32::to_le_bytes).collect();
        let mut intake = {
            let points = spec().points.map(|points| PointsSpec { cloud: 500, ..points });
            Intake::new(&TaskSpec { points, ..spec() }, IntakeConfig::default())
        };
        let message = CloudMessage {
            stamp: STAMP,
            frame_id: "world",
            height,
            width,
            fields: &fields,
            is_bigendian: false,
            point_step: 12,
            row_step: 12 * width,
            data: &data,
        };
        criterion.bench_function(label, |bencher| {
            bencher.iter(|| black_box(intake.take_cloud(black_box(&message), NOW)));
        });
    }
}

fn points_and_observation(criterion: &mut Criterion) {
    let mut intake = Intake::new(&spec(), IntakeConfig::default());
    let fields = [("x", 0), ("y", 4), ("z", 8)].map(|(name, offset)| Field { name, offset, datatype: 7, count: 1 });
    let data = [0_u8; 22 * 12];
    let message = CloudMessage {
        stamp: STAMP,
        frame_id: "world",
        height: 1,
        width: 22,
        fields: &fields,
        is_bigendian: false,
        point_step: 12,
        row_step: 22 * 12,
        data: &data,
    };
    criterion.bench_function("points 22", |bencher| {
        bencher.iter(|| black_box(intake.take_points(black_box(&message), NOW)));
    });
    let names: Vec<String> = spec().joints.into_iter().map(|joint| joint.name).collect();
    let positions = [0.3; JOINTS];
    let joints =
        JointMessage { stamp: STAMP, frame_id: "", names: &names, positions: &positions, has_other_fields: false };
    intake.take_joints(&joints, NOW);
    criterion.bench_function("observation of 63 joints and 22 points", |bencher| {
        bencher.iter(|| black_box(intake.observation(NOW)));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = joints, strange_joints, images, large_images, clouds, points_and_observation
}
criterion_main!(benches);
