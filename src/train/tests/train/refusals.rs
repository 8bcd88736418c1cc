//! Bad options and bad data.

use tch::{Device, Kind, Tensor};
use thalweg_task::Observation;
use thalweg_train::{Data, ThetaOptions, TrainError};

use super::{load, only, tiny};

fn error(options: &ThetaOptions, data: &Data) -> TrainError {
    thalweg_train::train(options, &load, data, &mut |_| true).unwrap_err()
}

#[test]
fn bad_training_input_is_refused() {
    let nothing = error(&tiny(None), &Data::default());
    assert!(matches!(nothing, TrainError::NoObservations { what: "training" }), "{nothing}");
    let nothing = error(&tiny(None), &Data { held_out: Some(Observation::default()), ..only(8, 1) });
    assert!(matches!(nothing, TrainError::NoObservations { what: "held-out" }), "{nothing}");
    let wide = Observation::of_joints(&Tensor::zeros([4, 7], (Kind::Float, Device::Cpu)));
    let wide = error(&tiny(None), &Data { training: wide, held_out: None, ..Data::default() });
    assert!(wide.to_string().contains("expected shape"), "{wide}");
    let mut options = tiny(None);
    options.update.rate_theta = 1e30;
    let diverged = error(&options, &only(64, 1));
    assert!(diverged.to_string().contains("lower rate_theta"), "{diverged}");
}

#[test]
fn options_outside_their_range_are_named_with_value_and_range() {
    type Change = fn(&mut ThetaOptions);
    let cases: [(Change, &str); 14] = [
        (|o| o.collection.descents = 0, "descents: got 0, expected at least 1"),
        (|o| o.collection.steps = 0, "steps: got 0, expected at least 1"),
        (|o| o.collection.best_of = 5, "descents: got 64, expected a multiple of best_of = 5"),
        (|o| o.collection.keep = 0, "keep: got 0, expected at least 1"),
        (|o| o.update.batch = 0, "batch: got 0, expected at least best_of = 1"),
        (|o| o.update.epochs = 0, "epochs: got 0, expected at least 1"),
        (|o| o.update.rate_theta = f64::NAN, "rate_theta: got NaN, expected a finite number above 0"),
        (|o| o.update.rate_end = 1.5, "rate_end: got 1.5, expected a number in [0, 1]"),
        (|o| o.update.weight_decay = -0.1, "weight_decay: got -0.1, expected a finite number, at least 0"),
        (|o| o.update.average = 1.0, "average: got 1, expected a number in [0, 1)"),
        (|o| o.masks.limbs = -1.0, "masks.limbs: got -1, expected a finite number, at least 0"),
        (|o| o.masks.whole = 0.0, "masks: got 0, expected at least one share above 0"),
        (|o| o.collection.rate_z = -1.0, "adam.rate: got -1, expected a number from 1e-15 to 1000"),
        (
            |o| (o.update.online, o.collection.keep) = (true, 2),
            "keep: got 2, expected 1 with online, which has no buffer",
        ),
    ];
    for (change, expected) in cases {
        let mut options = tiny(None);
        change(&mut options);
        assert_eq!(error(&options, &only(8, 1)).to_string(), expected);
    }
}
