//! Times what a step evaluates: the loss of one image and its gradient, for one and for eight hypotheses.
//!
//! `cargo bench --bench step`. The networks are drawn: what they have learned costs nothing. One thread, as in service.
#![allow(missing_docs, reason = "a program")]

use criterion::{Criterion, criterion_group, criterion_main};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::{Kind, Tensor};
use thalweg_image_defence::{BackboneConfig, Defence, HeadConfig, ImageDefence, Settings};
use thalweg_task::{LoadOptions, Observation, Task, draws};

/// Widths of the heads that are trained for the given classifiers, and their negatives.
const HEAD: HeadConfig = HeadConfig { hidden: 256, projection: 64 };
const NEGATIVES: i64 = 1024;

fn defended(backbone: BackboneConfig) -> ImageDefence {
    let options = LoadOptions::default();
    let like = (options.kind, options.device);
    let defence = Defence::drawn(backbone, HEAD, NEGATIVES, &mut StdRng::seed_from_u64(1), like);
    ImageDefence::of(defence, Settings::default(), &options)
}

/// Loss and gradient at `x`, `[K, X]`.
fn evaluated(task: &ImageDefence, x: &Tensor, target: &thalweg_task::Target) -> Tensor {
    let x = x.detach().set_requires_grad(true);
    let y_hat = task.forward(&x).expect("x fits");
    let loss = task.objective(&y_hat, target).expect("y_hat fits").loss.sum(Kind::Float);
    Tensor::run_backward(&[loss], &[&x], false, false).remove(0)
}

fn steps(criterion: &mut Criterion) {
    tch::set_num_threads(1);
    for (name, backbone) in [("resnet2b", BackboneConfig::resnet2b()), ("resnet4b", BackboneConfig::resnet4b())] {
        let task = defended(backbone);
        let mut random = StdRng::seed_from_u64(2);
        let image = draws::uniform(&mut random, &[1, 3, 32, 32]).to_kind(Kind::Float);
        let target = task.encode(&Observation::of_image(&image)).expect("it is an image");
        for hypotheses in [1, 8] {
            let x = draws::normal(&mut random, &[hypotheses, task.spec().latent]).to_kind(Kind::Float);
            let name = format!("{name}, {hypotheses} hypotheses of {} views", task.defence().views.count);
            criterion.bench_function(&name, |bencher| bencher.iter(|| evaluated(&task, &x, &target)));
        }
    }
}

criterion_group!(benches, steps);
criterion_main!(benches);
