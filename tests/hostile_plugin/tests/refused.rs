//! What libraries of others may do, and what becomes of it: one sentence with the file, and the program lives.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tch::Tensor;
use thalweg::Registry;
use thalweg::plugins::{Phase, PluginError};
use thalweg_task::{LoadOptions, Observation, Task};

/// Cargo builds it beside this test.
fn library() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().join("libhostile_plugin.so")
}

fn registry() -> Registry {
    let (registry, refused) = Registry::empty().with_plugins(&[library().to_str().unwrap().to_owned()]);
    assert!(refused.is_empty(), "{refused:?}");
    registry
}

fn load(fault: &str) -> thalweg_task::Result<Box<dyn Task>> {
    let mut options = LoadOptions::default();
    options.parameters.insert("fault".to_owned(), fault.into());
    registry().load("hostile_plugin", &options)
}

fn refusal(fault: &str) -> String {
    match load(fault) {
        Ok(_) => panic!("{fault}: it must be refused"),
        Err(error) => error.to_string(),
    }
}

fn refused(file: &Path) -> PluginError {
    let (registry, mut refused) = Registry::shipped().with_plugins(&[file.to_str().unwrap().to_owned()]);
    assert_eq!(registry.entries().len(), Registry::shipped().entries().len(), "{}", file.display());
    let error = refused.pop().unwrap();
    assert!(!error.to_string().contains('\n'), "{error}");
    error
}

/// G1: panics stay on the library's side, and are errors here.
#[test]
fn panics_are_errors() {
    assert_eq!(refusal("load"), "the task panicked: as asked, while loading");
    let task = load("later").unwrap();
    let seen = |first: f64| Observation::of_joints(&Tensor::from_slice(&[first, 0.0, 0.0]).view([1, 3]));
    assert_eq!(task.encode(&seen(1.25)).unwrap_err().to_string(), "the task panicked: as asked, later");
    assert!(task.encode(&seen(0.5)).is_ok(), "the next one is good");
    drop(load("drop").unwrap());
}

/// G2, G3, G7: what breaks the contract is refused when it is loaded.
#[test]
fn broken_promises_are_refused() {
    let (nan, rows) = (refusal("not_finite"), refusal("rows"));
    assert!(nan.contains("libhostile_plugin.so: breaks the rule finite: F(x): "), "{nan}");
    assert!(rows.contains("libhostile_plugin.so: breaks the rule row_independence"), "{rows}");
    assert!(load("none").is_ok());
}

/// Compiles C into a library.
fn compiled(folder: &Path, name: &str, code: &str) -> PathBuf {
    let (source, library) = (folder.join(format!("{name}.c")), folder.join(format!("lib{name}.so")));
    fs::write(&source, code).unwrap();
    let compiler = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status().unwrap();
    assert!(compiler.success());
    library
}

/// G6: other versions, other files.
#[test]
fn what_is_no_library_of_this_program_is_refused_by_its_phase() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let fields = |magic: &str, abi: u32, text: &str| {
        format!(
            "struct {{ char magic[8]; unsigned abi, length; char text[240]; unsigned sizes[12]; void *entry; }} \
             THALWEG_TASK = {{ \"{magic}\", {abi}, sizeof(\"{text}\") - 1, \"{text}\" }};"
        )
    };
    fs::write(at("libempty.so"), b"").unwrap();
    fs::write(at("libtext.so"), b"#!/bin/sh\n").unwrap();
    let whole = fs::read(library()).unwrap();
    fs::write(at("libcut.so"), &whole[..4096]).unwrap();
    // Not even all headers.
    fs::write(at("libhead.so"), &whole[..60]).unwrap();
    let mut narrow = whole.clone();
    narrow[4] = 1;
    fs::write(at("libnarrow.so"), &narrow).unwrap();
    let mut other = whole;
    other[18] = 0x28;
    fs::write(at("libother.so"), &other).unwrap();
    let c = |name: &str, code: &str| compiled(folder.path(), name, code);
    for (file, phase, cause) in [
        (at("libempty.so"), Phase::Open, "the file is empty"),
        (at("libtext.so"), Phase::Open, "no ELF file"),
        (at("libcut.so"), Phase::Open, "cut off: it has 4096 bytes, and needs"),
        (at("libhead.so"), Phase::Open, "failed to fill whole buffer"),
        (at("libnarrow.so"), Phase::Open, "none for 64-bit"),
        (at("libother.so"), Phase::Open, "an ELF file for machine 40"),
        (at("libgone.so"), Phase::Find, "there is nothing of this name"),
        (PathBuf::from("/dev/zero"), Phase::Open, "no regular file"),
        (c("mute", "int nothing;"), Phase::Handshake, "it exports no THALWEG_TASK"),
        (c("alien", &fields("thalwag", 1, "")), Phase::Handshake, "was not made by thalweg_task::export!"),
        (c("future", &fields("thalweg", 9, "")), Phase::Handshake, "it has ABI 9, this program has 1"),
        (c("old", &fields("thalweg", 1, "rustc 1.0")), Phase::Handshake, "it was built of rustc 1.0, this program of"),
        (
            c("sizes", &fields("thalweg", 1, thalweg_task::library::FINGERPRINT)),
            Phase::Handshake,
            "types that both share differ in size",
        ),
    ] {
        let error = refused(&file);
        assert_eq!(error.phase, phase, "{error}");
        assert!(error.to_string().contains(cause), "{error}");
    }
}

/// G10: two of one name.
#[test]
fn a_task_takes_nobodys_name() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("libcopy.so");
    fs::copy(library(), &copy).unwrap();
    let both = [library(), copy].map(|path| path.to_str().unwrap().to_owned());
    let (registry, refused) = Registry::empty().with_plugins(&both);
    assert_eq!(registry.entries().len(), 1);
    assert!(refused[0].to_string().contains("entry: there is a task 'hostile_plugin' already"), "{}", refused[0]);
}
