//! A checkpoint is taken up by the training that made it, and by no other.

use std::path::Path;

use thalweg::Registry;
use thalweg_engine::pin_threads;
use thalweg_nn::NnError;
use thalweg_nn::weights::{self, Weights};
use thalweg_task::{LoadOptions, Task};
use thalweg_train::{Data, MaskOptions, ThetaOptions, TrainError};

use super::{load, only, tiny};

/// Leaves a checkpoint of one buffer.
fn checkpoint(path: &Path) -> ThetaOptions {
    pin_threads(1);
    let options = tiny(Some(path.to_owned()));
    thalweg_train::train(&options, &load, &only(64, 1), &mut |_| false).unwrap();
    options
}

fn refusal(options: &ThetaOptions, load: &thalweg_train::LoadTask, data: &Data) -> (String, String, String, String) {
    let error = thalweg_train::train(options, load, data, &mut |_| true).unwrap_err();
    let text = error.to_string();
    let TrainError::Weights(NnError::OtherTraining { what, got, expected, .. }) = error else { panic!("{text}") };
    assert!(text.contains(&what) && text.contains(&got) && text.contains(&expected), "{text}");
    (what, got, expected, text)
}

#[test]
fn other_options_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theta.checkpoint");
    let options = checkpoint(&path);
    let mut other = options.clone();
    other.collection.rate_z = 0.25;
    let (what, got, expected, text) = refusal(&other, &load, &only(64, 1));
    assert_eq!((what.as_str(), got.as_str(), expected.as_str()), ("option collection.rate_z", "0.1", "0.25"));
    assert!(text.contains("theta.checkpoint"), "{text}");
    let other = ThetaOptions { masks: MaskOptions { limbs: 0.5, ..options.masks }, ..options.clone() };
    assert_eq!(refusal(&other, &load, &only(64, 1)).0, "option masks.limbs");
    let mut other = options.clone();
    other.update.online = true;
    assert_eq!(refusal(&other, &load, &only(64, 1)).0, "option update.online");
    let mut other = options;
    other.validation.patience = 4;
    assert_eq!(refusal(&other, &load, &only(64, 1)).0, "option validation.patience");
}

#[test]
fn other_data_is_refused_with_both_descriptions() {
    let folder = tempfile::tempdir().unwrap();
    let options = checkpoint(&folder.path().join("theta.checkpoint"));
    let (what, got, expected, _) = refusal(&options, &load, &only(65, 1));
    assert_eq!(what, "data");
    assert!(got.contains("(64 observations, 0 held out)") && expected.contains("(65 observations"), "{got} {expected}");
    let (_, got, expected, _) = refusal(&options, &load, &only(64, 2));
    assert_ne!(got, expected, "other values in as many rows");
    let held_out = Data { held_out: Some(super::arms(8, 3)), ..only(64, 1) };
    assert!(refusal(&options, &load, &held_out).2.contains("8 held out"));
}

#[test]
fn another_task_model_start_and_version_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theta.checkpoint");
    let options = checkpoint(&path);
    let longer = || -> thalweg_task::Result<Box<dyn Task>> {
        let parameters = serde_json::from_str(r#"{"lengths": [0.4, 0.3, 0.3]}"#).unwrap();
        Registry::shipped().load("planar_arm", &LoadOptions { parameters, ..LoadOptions::default() })
    };
    let (what, got, expected, _) = refusal(&options, &longer, &only(64, 1));
    assert_eq!(what, "fingerprint");
    assert!(expected.contains("0.4") && !got.contains("0.4"), "{got} {expected}");
    let body = || Registry::shipped().load("body_pose", &LoadOptions::default());
    let (what, got, expected, _) = refusal(&options, &body, &only(64, 1));
    assert_eq!((what.as_str(), got.as_str(), expected.as_str()), ("task", "planar_arm", "body_pose"));
    let start = folder.path().join("start.safetensors");
    let landscape = thalweg_train::train(&tiny(None), &load, &only(64, 1), &mut |_| false).unwrap();
    landscape.save(&start, load().unwrap().spec(), &[]).unwrap();
    let started = ThetaOptions { start: Some(start), ..options.clone() };
    assert_eq!(refusal(&started, &load, &only(64, 1)).0, "landscape");
    weights::save(&path, &[], &[("format", "thalweg-checkpoint".to_owned())]).unwrap();
    let (what, got, ..) = refusal(&options, &load, &only(64, 1));
    assert_eq!((what.as_str(), got.as_str()), ("version", "not told"));
}

#[test]
fn a_damaged_checkpoint_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theta.checkpoint");
    let options = checkpoint(&path);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(Weights::open(&path, tch::Kind::Float, tch::Device::Cpu).is_err());
    let error = thalweg_train::train(&options, &load, &only(64, 1), &mut |_| true).unwrap_err();
    assert!(error.to_string().contains("theta.checkpoint: not a whole safetensors file"), "{error}");
}
