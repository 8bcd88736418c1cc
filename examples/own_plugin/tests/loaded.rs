//! The library as it is built, opened by a program that knows nothing of it.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use thalweg::plugins::{Phase, find};
use thalweg::{Plan, Registry};
use thalweg_engine::{Budget, Clock};
use thalweg_task::{LoadOptions, Observation, conformance};

/// Cargo builds it beside this test.
fn library() -> PathBuf {
    let path = std::env::current_exe().unwrap().parent().unwrap().join("libown_plugin.so");
    assert!(path.is_file(), "no library at {}", path.display());
    path
}

fn opened(names: &[&str]) -> Registry {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let (registry, refused) = Registry::shipped().with_plugins(&names);
    assert!(refused.is_empty(), "{refused:?}");
    registry
}

/// No time passes.
struct Still;

impl Clock for Still {
    fn now(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }
}

#[test]
fn it_keeps_the_contract_and_solves() {
    let path = library();
    let registry = opened(&[path.to_str().unwrap(), path.to_str().unwrap()]);
    assert_eq!(registry.library_of("own_plugin"), Some(&path.canonicalize().unwrap()));
    let entry = *registry.find("own_plugin").unwrap();
    conformance::check(&entry.load, &LoadOptions::default()).assert_passed();
    let (mut engine, loaded) = Plan::of(registry, "own_plugin").load().unwrap();
    assert_eq!(loaded.spec.joints.len(), 2);
    let obs = Observation::of_joints(&tch::Tensor::from_slice(&[0.6, f64::NAN]).view([1, 2]));
    let solution = engine.solve(&obs, &Budget::of_steps(100), &Still).unwrap();
    assert!(solution.loss[0] < 0.1, "{:?}", solution.loss);
}

#[test]
fn it_is_found_in_a_folder_and_in_the_ament_index() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("libown_plugin.so");
    fs::copy(library(), &at).unwrap();
    fs::write(folder.path().join("libbroken.so"), b"no library").unwrap();
    let named = folder.path().to_str().unwrap().to_owned();
    let found: Vec<String> = find(&named).unwrap().into_iter().map(|found| found.task).collect();
    assert_eq!(found, ["broken", "own_plugin"], "listed, and not opened");
    let (registry, refused) = Registry::shipped().with_plugins(&[named]);
    assert!(registry.find("own_plugin").is_ok(), "a bad one hides no good one");
    assert_eq!(refused.iter().map(|error| error.phase).collect::<Vec<_>>(), [Phase::Open]);
    let error = refused[0].to_string();
    assert!(error.contains("libbroken.so: open: no ELF file; build it as a cdylib"), "{error}");

    let (_, refused) = Registry::shipped().with_plugins(&["nobody/nothing".to_owned()]);
    assert_eq!(refused[0].phase, Phase::Find);
    assert!(refused[0].to_string().contains("there is nothing of this name; the ament index has"), "{}", refused[0]);
}
