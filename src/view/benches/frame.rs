//! Time of one picture off-screen and of placing a body, and memory over a thousand pictures: `tools/run.sh tools/cargo.sh bench -p thalweg-view`.

#![allow(clippy::print_stdout, clippy::print_stderr, missing_docs)]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use thalweg_engine::Answer;
use thalweg_node::display::ShownAnswer;
use thalweg_view::body::{Model, Posture};
use thalweg_view::headless::Studio;

const HYPOTHESES: usize = 8;
const POINTS: usize = 5000;

fn human() -> Model {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../urdf/human_21.urdf");
    Model::load(&path).expect("it is shipped")
}

/// Eight bodies that differ, and points all around them.
fn shown(model: &Model, random: &mut StdRng) -> ShownAnswer {
    let joints = model.joints().len();
    let pose = |random: &mut StdRng| (0..joints).map(|_| random.random_range(-0.4..0.4)).collect();
    let points = (0..POINTS).map(|_| std::array::from_fn(|_| random.random_range(-1.0..1.0))).collect();
    ShownAnswer {
        names: model.joints().to_vec().into(),
        answer: Answer {
            joints: (0..HYPOTHESES).map(|_| pose(random)).collect(),
            weights: vec![1.0 / HYPOTHESES as f64; HYPOTHESES],
            losses: vec![0.01; HYPOTHESES],
            ..Answer::default()
        },
        observed: (0..joints).map(|joint| joint % 3 > 0).collect(),
        hypotheses: HYPOTHESES,
        points,
        ..ShownAnswer::default()
    }
}

fn frame(criterion: &mut Criterion) {
    let (model, mut random) = (human(), StdRng::seed_from_u64(1));
    let answers: Vec<_> = (0..16).map(|_| Arc::new(shown(&model, &mut random))).collect();
    let mut studio = match Studio::open((960, 540), 1.0, Some(model)) {
        Ok(studio) => studio,
        Err(error) => return eprintln!("SKIPPED: {error:#}"),
    };
    let mut count = 0u32;
    let mut next = |studio: &mut Studio| {
        count += 1;
        let shown = Arc::clone(&answers[count as usize % answers.len()]);
        studio.stage_mut().show(shown, Duration::from_millis(33) * count);
    };
    let mut group = criterion.benchmark_group("view");
    group.sample_size(20).measurement_time(Duration::from_secs(6));
    group.bench_function("picture 960x540, 8 hypotheses, 5000 points", |bencher| {
        bencher.iter(|| {
            next(&mut studio);
            black_box(studio.picture())
        });
    });
    group.finish();
}

/// Pictures before memory is measured, and pictures that must not add to it.
const WARM_UP: u32 = 100;
const PICTURES: u32 = 1000;

/// Resident memory, MiB.
fn resident() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok());
    pages.unwrap_or(f64::NAN) * 4096.0 / f64::from(1 << 20)
}

/// Tells how memory grows over a thousand pictures; on a thread of its own, for kiss3d's state is the thread's.
fn memory(_criterion: &mut Criterion) {
    // A panic there has said so.
    drop(std::thread::spawn(measure_memory).join());
}

/// Draws small pictures, for the time that they take.
fn measure_memory() {
    let (model, mut random) = (human(), StdRng::seed_from_u64(1));
    let answers: Vec<_> = (0..16).map(|_| Arc::new(shown(&model, &mut random))).collect();
    let Ok(mut studio) = Studio::open((320, 180), 1.0, Some(model)) else { return };
    let mut before = 0.0;
    for count in 0..WARM_UP + PICTURES {
        if count == WARM_UP {
            before = resident();
        }
        let shown = Arc::clone(&answers[count as usize % answers.len()]);
        studio.stage_mut().show(shown, Duration::from_millis(33) * count);
        studio.draw();
    }
    println!("memory: {before:.0} MiB after {WARM_UP} pictures, {:+.1} MiB after {PICTURES} more", resident() - before);
}

fn posture(criterion: &mut Criterion) {
    let (model, mut random) = (human(), StdRng::seed_from_u64(1));
    let positions: Vec<f64> = model.joints().iter().map(|_| random.random_range(-0.4..0.4)).collect();
    let mut posture = Posture::default();
    criterion.bench_function("place human_21, 63 joints", |bencher| {
        bencher.iter(|| posture.place(&model, black_box(&positions)));
    });
}

criterion_group!(benches, posture, frame, memory);
criterion_main!(benches);
