//! The loop over rounds: stopped and resumed, it ends with the same bits; what is not its own is refused.

use std::path::Path;

use rand::Rng;
use rand::rngs::StdRng;
use tch::{Device, Kind, Tensor};
use thalweg_nn::weights::Weights;
use thalweg_nn::{AdamW, AdamWConfig, Checkpoint, CosineRate, Learner, NnError, Ranks, State, Training, generator};

use crate::values;

/// A number that learns to be where random targets are.
struct Number {
    optimizer: AdamW,
    rounds: i32,
}

impl Number {
    fn new(rounds: i32) -> Self {
        let parameter = Tensor::from_slice(&[3.0_f32]).set_requires_grad(true);
        Self { optimizer: AdamW::new(vec![parameter], AdamWConfig::default()), rounds }
    }

    fn value(&self) -> Vec<f64> {
        values(&self.optimizer.parameters()[0])
    }
}

impl Learner for Number {
    type Progress = i32;
    type Error = NnError;

    fn place(&self) -> (Kind, Device) {
        (Kind::Float, Device::Cpu)
    }

    fn rounds(&self) -> u64 {
        self.optimizer.steps() as u64
    }

    fn is_over(&self) -> bool {
        self.optimizer.steps() >= self.rounds
    }

    fn round(&mut self, random: &mut StdRng) -> thalweg_nn::Result<f64> {
        let loss = (&self.optimizer.parameters()[0] - random.random_range(-1.0..1.0)).square().sum(Kind::Float);
        self.optimizer.descend(&loss, 0.1);
        Ok(if self.rounds == 13 { f64::NAN } else { loss.double_value(&[]) })
    }

    fn judge(&mut self, _loss: f64) -> thalweg_nn::Result<i32> {
        Ok(self.optimizer.steps())
    }

    fn diverged(&self, loss: f64) -> NnError {
        NnError::shape("loss", format!("a finite one, got {loss}"), &Tensor::from(0.0))
    }

    fn state(&self) -> State {
        State {
            tensors: self.optimizer.named("optimizer"),
            metadata: vec![("steps", self.optimizer.steps().to_string())],
        }
    }

    fn restore(&mut self, file: &Weights) -> thalweg_nn::Result<()> {
        self.optimizer.restore(file, "optimizer", file.meta("steps")?)
    }
}

fn training(checkpoint: Option<(&Path, &str)>) -> Training {
    let bound = |(path, options): (&Path, &str)| Checkpoint::new(path, vec![("options", options.to_owned())]);
    Training { seed: 5, report_every: 4, checkpoint: checkpoint.map(bound), ranks: Ranks::alone() }
}

/// Trains `rounds` rounds until a report says `stop`; returns what was reported.
fn run(training: &Training, number: &mut Number, stop: i32) -> Vec<i32> {
    let mut seen = Vec::new();
    training.resume(number).unwrap();
    training
        .run(number, &mut |step| {
            seen.push(*step);
            *step != stop
        })
        .unwrap();
    seen
}

#[test]
fn a_stopped_training_resumes_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("number.checkpoint");
    let (mut unbroken, mut stopped, mut resumed) = (Number::new(10), Number::new(10), Number::new(10));
    assert_eq!(run(&training(None), &mut unbroken, 0), [4, 8, 10]);
    let kept = training(Some((&path, "{}")));
    assert_eq!(run(&kept, &mut stopped, 8), [4, 8]);
    assert_ne!(stopped.value(), unbroken.value());
    assert_eq!(run(&kept, &mut resumed, 0), [10]);
    assert_eq!(resumed.value(), unbroken.value());
    assert_eq!(run(&kept, &mut Number::new(10), 0), [0_i32; 0], "what is over stays over");
}

#[test]
fn a_checkpoint_of_other_options_names_the_one_that_differs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("number.checkpoint");
    run(&training(Some((&path, r#"{"masks": {"whole": 1}, "rate": 2}"#))), &mut Number::new(4), 0);
    let other = training(Some((&path, r#"{"masks": {"whole": 1}, "rate": 3}"#)));
    let text = other.resume(&mut Number::new(4)).unwrap_err().to_string();
    assert!(text.contains("another training, option rate was 2 there, expected 3"), "{text}");
    let plain = training(Some((&path, "rate 3")));
    assert!(matches!(plain.resume(&mut Number::new(4)), Err(NnError::OtherTraining { what, .. }) if what == "options"));
}

/// A checkpoint may be larger than weights: 548 MB were kept of the paper's landscape, and refused when it went on.
#[test]
fn a_checkpoint_has_a_limit_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("number.checkpoint");
    // A sparse file: the length without the bytes.
    std::fs::File::create(&path).unwrap().set_len((64 << 30) + 1).unwrap();
    let text = training(Some((&path, "{}"))).resume(&mut Number::new(4)).unwrap_err().to_string();
    assert!(text.contains("68719476737 bytes; expected at most 68719476736"), "{text}");
}

#[test]
fn a_loss_that_is_not_finite_ends_it_before_it_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("number.checkpoint");
    let kept = training(Some((&path, "{}")));
    let error = kept.run(&mut Number::new(13), &mut |_| panic!("it must not be told")).unwrap_err();
    assert!(error.to_string().contains("got NaN") && !path.exists(), "{error}");
}

#[test]
fn rounds_have_generators_of_their_own() {
    let first = |seed, round| generator(seed, round).random::<u64>();
    assert_eq!(first(1, 2), first(1, 2));
    assert_ne!(first(1, 2), first(1, 3));
    assert_ne!(first(1, 2), first(2, 2));
}

#[test]
fn a_rate_rises_and_falls() {
    let rate = CosineRate { peak: 2.0, end: 0.1, warm_up: 10, steps: 100 };
    assert!((rate.at(4) - 2.0 * 0.5 * (0.1 + 0.9 * 0.5 * (1.0 + (0.04 * std::f64::consts::PI).cos()))).abs() < 1e-12);
    assert!((rate.at(50) - 1.1).abs() < 1e-12 && (rate.at(100) - 0.2).abs() < 1e-12);
    let constant = CosineRate { peak: 2.0, end: 1.0, warm_up: 0, steps: 0 };
    assert_eq!([constant.at(0), constant.at(7)], [2.0, 2.0]);
}
