//! Typed settings, field by field.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use thalweg::{DeviceChoice, LandscapeSource, Registry};
use thalweg_engine::Optimizer;
use thalweg_engine::gpu::GpuChoice;
use thalweg_node::intake::{ColourKey, Fit, ImageConfig, MaskMarks, MaskUse, Pairing};
use thalweg_node::parameters::{
    Durability, History, ImageTransport, QosOverride, Reliability, Settings, Store, node_table,
};
use thalweg_task::ParameterValue::{self, Bool, Double, DoubleArray, Integer};

use super::{TOPIC, store_with, text};

fn settings(overrides: &[(&str, ParameterValue)]) -> Settings {
    let store = store_with(overrides).expect("these are good values");
    Settings::read(&store, 77).expect("the store has the full table")
}

#[test]
fn defaults() {
    let settings = settings(&[]);
    assert!(settings.autostart && !settings.use_sim_time && !settings.use_fqn);
    assert_eq!((settings.task.as_str(), settings.threads, settings.seed), ("body_pose", 1, 0));
    assert_eq!((settings.models, settings.theta), (PathBuf::new(), LandscapeSource::BesideModels));
    assert_eq!(settings.device, DeviceChoice::Cpu);
    assert_eq!(settings.budget.deadline, Some(Duration::from_millis(8)));
    assert_eq!((settings.budget.steps, settings.budget.tolerance), (None, Some(0.03)));
    settings.engine.validate().expect("the engine takes the defaults");
    settings.budget.validate().expect("a deadline is a budget");
    assert_eq!(
        settings.task_parameters,
        *json!({
            "loss": "rotation", "point_weight": 0.0, "keypoints": "", "stature": 0.0, "names": "own", "person": "",
            "cloud_weight": 0.0, "cloud_points": 500, "cloud_gate": 0.5,
        })
        .as_object()
        .unwrap()
    );
    assert_eq!((settings.diagnostics_period, settings.memory_limit), (Duration::from_secs(1), 4 << 30));
    let best_effort = QosOverride {
        reliability: Reliability::BestEffort,
        depth: 5,
        history: History::KeepLast,
        durability: Durability::Volatile,
    };
    assert_eq!(settings.qos_overrides.into_iter().collect::<Vec<_>>(), [(TOPIC.to_owned(), best_effort)]);
}

#[test]
fn images() {
    let default = settings(&[]).input;
    assert_eq!((default.images, default.pairing), (ImageConfig::default(), Pairing::default()));
    assert_eq!(default.transport, ImageTransport::Both);
    let input = settings(&[
        ("input.image_transport", text("compressed")),
        ("input.image_fit", text("stretch")),
        ("input.alpha", Bool(false)),
        ("input.colour_key", text("#00ff10")),
        ("input.colour_tolerance", Integer(3)),
        ("input.max_pixels", Integer(9)),
        ("input.mask", text("required")),
        ("input.mask_marks", text("hidden")),
        ("input.sync_slop", Double(0.5)),
        ("input.stale_timeout", Double(2.0)),
    ])
    .input;
    let key = Some(ColourKey { rgb: [0, 255, 16], tolerance: 3 });
    let images = ImageConfig { fit: Fit::Stretch, alpha: false, key, marks: MaskMarks::Hidden, max_pixels: 9 };
    let (slop, patience) = (Duration::from_millis(500), Duration::from_secs(2));
    assert_eq!((input.images, input.transport), (images, ImageTransport::Compressed));
    assert_eq!(input.pairing, Pairing { masks: MaskUse::Required, slop, patience });
}

#[test]
fn the_search() {
    let settings = settings(&[
        ("hypotheses", Integer(3)),
        ("warm_start.fresh", Integer(1)),
        ("warm_start.enabled", Bool(false)),
        ("optimizer.rate", Double(0.5)),
        ("optimizer.prior_weight", Double(0.25)),
        ("random_seed", Integer(-1)),
        ("budget.steps", Integer(7)),
        ("budget.tolerance", Double(0.01)),
        ("budget.deadline", Double(0.5)),
    ]);
    let engine = &settings.engine;
    assert_eq!((engine.hypotheses, engine.fresh, engine.warm_start), (3, 1, false));
    assert_eq!((engine.prior_weight, engine.seed, settings.seed), (0.25, 77, 77));
    assert!(matches!(engine.optimizer, Optimizer::Adam(adam) if adam.rate == 0.5));
    assert_eq!((settings.budget.steps, settings.budget.tolerance), (Some(7), Some(0.01)));
    assert_eq!(settings.budget.deadline, Some(Duration::from_millis(500)));
}

#[test]
fn what_is_loaded() {
    let settings = settings(&[
        ("task", text("planar_arm")),
        ("planar_arm.lengths", DoubleArray(vec![1.0, 2.0, 3.0])),
        ("models", text("weights")),
        ("theta", text("a.safetensors")),
        ("device", text("cuda:2")),
        ("optimizer.kind", text("levenberg_marquardt")),
    ]);
    assert_eq!(settings.task_parameters, *json!({"lengths": [1.0, 2.0, 3.0], "limit": 2.6}).as_object().unwrap());
    assert_eq!(settings.models, PathBuf::from("weights"));
    assert_eq!(settings.theta, LandscapeSource::File(PathBuf::from("a.safetensors")));
    assert_eq!(settings.device, DeviceChoice::Cuda(2));
    assert!(matches!(settings.engine.optimizer, Optimizer::LevenbergMarquardt(_)));
}

#[test]
fn devices_and_landscapes_by_word() {
    let device = |word| settings(&[("device", text(word))]).device;
    assert_eq!((device("cuda"), device("auto")), (DeviceChoice::Cuda(0), DeviceChoice::Auto));
    let gpu = |word| device(word).gpu().cloned();
    assert_eq!(gpu("gpu"), Some(GpuChoice::Best));
    assert_eq!(gpu("gpu:1"), Some(GpuChoice::Index(1)));
    assert_eq!(gpu("gpu:llvmpipe (LLVM)"), Some(GpuChoice::Named("llvmpipe (LLVM)".to_owned())));
    assert_eq!(gpu("cuda:1"), None);
    assert_eq!(settings(&[("theta", text("identity"))]).theta, LandscapeSource::Identity);
    assert_eq!(DeviceChoice::Cpu.resolve(), Some(tch::Device::Cpu));
    assert!(DeviceChoice::Auto.resolve().is_some());
    assert_eq!(DeviceChoice::Cuda(255).resolve(), None, "no machine has so many");
}

#[test]
fn quality_of_service() {
    let name = |policy: &str| format!("qos_overrides.{TOPIC}.subscription.{policy}");
    let settings = settings(&[
        (&name("reliability"), text("reliable")),
        (&name("depth"), Integer(1)),
        (&name("history"), text("keep_all")),
        (&name("durability"), text("transient_local")),
    ]);
    let expected = QosOverride {
        reliability: Reliability::Reliable,
        depth: 1,
        history: History::KeepAll,
        durability: Durability::TransientLocal,
    };
    assert_eq!(settings.qos_overrides[TOPIC], expected);
}

/// Each task takes what the table says are its parameters.
#[test]
fn tasks_take_their_parameters() {
    let models = thalweg_tests::root().join("models");
    for entry in thalweg::Registry::shipped().entries() {
        if entry.name == "gan_inversion" && !thalweg_tests::fetched::gan() {
            continue;
        }
        let parameters = settings(&[("task", text(entry.name))]).task_parameters;
        let options = thalweg_task::LoadOptions { models: models.clone(), parameters, ..Default::default() };
        (entry.load)(&options).unwrap_or_else(|error| panic!("{}: {error}", entry.name));
    }
}

#[test]
fn a_store_without_the_table_is_refused() {
    let some = node_table(&Registry::shipped()).into_iter().filter(|spec| spec.name != "budget.steps").collect();
    let store = Store::declare(some, &[]).expect("fewer parameters are fine");
    let refusal = Settings::read(&store, 0).expect_err("one is missing").to_string();
    assert!(refusal.starts_with("unknown parameter 'budget.steps'"), "{refusal}");
}
