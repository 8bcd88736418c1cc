//! Models that were exported by PyTorch: sound ones keep the contract, others are refused in a sentence.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test makes files")]

use std::fs;
use std::path::{Path, PathBuf};

use tch::{Kind, Tensor};
use tempfile::TempDir;
use thalweg_scripted::{Description, ENTRY, FORWARD, OBJECTIVE, PARAMETER};
use thalweg_task::{LoadOptions, Task, conformance};

/// Two links in a plane, which `tests/data/make.py` has as `Tips`.
const TIPS: &str = "
name: tips
latent: 2
joints:
  - {name: a, lower: -2, upper: 2, weight: 10, compare: chord}
  - {name: b, lower: -2, upper: 2, weight: 10, compare: chord}
points: {frame: base_link, names: [elbow, tip], weight: 30}
groups: {both: [a, b]}
skeleton:
  bones:
    - {to: elbow, joints: [a]}
    - {from: elbow, to: tip, joints: [b]}
";

/// Two joints, for modules that give as many numbers as they take.
const PAIR: &str = "
name: pair
latent: 2
joints:
  - {name: a, lower: -2, upper: 2}
  - {name: b, lower: -2, upper: 2}
";

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn hand() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/scripted/hand")
}

/// A folder with a description and modules.
fn folder(description: &str, modules: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("task.yaml"), description).unwrap();
    for (name, module) in modules {
        fs::copy(data(module), folder.path().join(name)).unwrap();
    }
    folder
}

fn options(folder: &Path) -> LoadOptions {
    let mut options = LoadOptions::default();
    options.parameters.insert(PARAMETER.to_owned(), folder.to_str().unwrap().into());
    options
}

fn load(folder: &Path) -> Box<dyn Task> {
    (ENTRY.load)(&options(folder)).unwrap()
}

fn refusal(folder: &Path) -> String {
    match (ENTRY.load)(&options(folder)) {
        Ok(_) => panic!("this folder must be refused"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn sound_models_keep_the_contract() {
    conformance::check(&ENTRY.load, &options(&hand())).assert_passed();
    let tips = folder(TIPS, &[(FORWARD, "tips.ts")]);
    conformance::check(&ENTRY.load, &options(tips.path())).assert_passed();
    let robust = folder(&format!("{TIPS}objective: file\n"), &[(FORWARD, "tips.ts"), (OBJECTIVE, "robust.ts")]);
    conformance::check(&ENTRY.load, &options(robust.path())).assert_passed();
    let (tips, robust) = (load(tips.path()), load(robust.path()));
    assert_eq!((tips.spec().residual, robust.spec().residual), (true, false));
    assert_eq!(tips.spec().observes().to_string(), "joints, points");
    assert_eq!(tips.spec().group("both").unwrap().joints, [0, 1]);
    assert!(tips.dense().is_none());
}

#[test]
fn a_perceptron_is_what_the_module_is() {
    let text = fs::read_to_string(hand().join("task.yaml")).unwrap();
    let (other, _) = text.split_once("perceptron:").unwrap();
    let as_module = folder(other, &[]);
    fs::copy(hand().join(FORWARD), as_module.path().join(FORWARD)).unwrap();
    let (native, module) = (load(&hand()), load(as_module.path()));
    assert!(native.dense().is_some() && module.dense().is_none());
    assert_eq!(native.spec().fingerprint, module.spec().fingerprint, "a theta serves both");
    let x = (Tensor::arange(300, (Kind::Float, tch::Device::Cpu)) * 0.37).sin().view([100, 3]) * 3.0;
    let (got, expected) = (native.forward(&x).unwrap(), module.forward(&x).unwrap());
    let apart = (got - expected).abs().max().double_value(&[]);
    assert!(apart < 1e-5, "{apart}");

    let wrong = folder(&text.replace("slope: 0.2", "slope: 0.1"), &[]);
    fs::copy(hand().join(FORWARD), wrong.path().join(FORWARD)).unwrap();
    let refused = refusal(wrong.path());
    assert!(refused.contains("perceptron: its layers give something else than the module"), "{refused}");
    let none = folder(&text.replace("'2'", "'3'"), &[]);
    fs::copy(hand().join(FORWARD), none.path().join(FORWARD)).unwrap();
    assert!(refusal(none.path()).contains("no parameter 3.weight; it has 0.weight"), "{}", refusal(none.path()));
}

#[test]
fn broken_promises_are_refused_with_a_cure() {
    let file = format!("{TIPS}objective: file\n");
    for (module, sentence) in [
        ("rows.ts", "breaks the rule row_independence"),
        ("nonumber.ts", "breaks the rule finite"),
        ("detached.ts", "breaks the rule finite: the loss carries no gradient: is x detached on the way?"),
        ("single.ts", "breaks the rule element_type: F(x): expected (Double, Cpu), got (Float, Cpu); give every"),
        ("random.ts", "breaks the rule determinism"),
        ("wide.ts", "forward.ts: F: expected 2 numbers in each of"),
        ("files.ts", "it calls from_file, which reaches files; leave that out"),
    ] {
        let folder = folder(PAIR, &[(FORWARD, module)]);
        let refused = refusal(folder.path());
        assert!(refused.contains(sentence) && !refused.contains('\n'), "{module}: {refused}");
    }
    let absent = folder(&file, &[(FORWARD, "tips.ts")]);
    assert!(refusal(absent.path()).contains("objective.ts: No such file"), "{}", refusal(absent.path()));
    let wrong = folder(&file, &[(FORWARD, "tips.ts"), (OBJECTIVE, "rows.ts")]);
    assert!(refusal(wrong.path()).contains("objective.ts: "), "{}", refusal(wrong.path()));
}

#[test]
fn what_is_no_module_is_refused() {
    let sound = fs::read(data("tips.ts")).unwrap();
    let mut pickle = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    pickle.start_file("archive/data.pkl", zip::write::SimpleFileOptions::default()).unwrap();
    let pickle = pickle.finish().unwrap().into_inner();
    for (bytes, sentence) in [
        (&[][..], "forward.ts: no TorchScript (the file is empty)"),
        (&b"\x7fELF and more"[..], "forward.ts: no TorchScript ("),
        (&sound[..sound.len() / 2], "forward.ts: no TorchScript ("),
        (&pickle[..], "a pickle without code, as torch.save writes it"),
    ] {
        let folder = folder(TIPS, &[]);
        fs::write(folder.path().join(FORWARD), bytes).unwrap();
        let refused = refusal(folder.path());
        assert!(refused.contains(sentence) && !refused.contains('\n'), "{refused}");
    }
    // Every byte turned over in turn, or a few of them: an error or a sound model, and no crash.
    let damaged = folder(TIPS, &[]);
    for at in (0..sound.len()).step_by(97) {
        let mut bytes = sound.clone();
        bytes[at] ^= 0xff;
        fs::write(damaged.path().join(FORWARD), bytes).unwrap();
        drop((ENTRY.load)(&options(damaged.path())));
    }
}

#[test]
fn descriptions_are_refused_with_their_place() {
    let joint = |text: &str| format!("name: a\nlatent: 1\njoints:\n  - {{name: j, {text}}}\n");
    for (text, sentence) in [
        (String::new(), ""),
        ("name: a\nlatent: 1\nlatens: 2\n".to_owned(), "line 3"),
        ("name: a\nlatent: 1\n".to_owned(), "expected joints, an image or points, got none of them"),
        (joint("lower: 1, upper: 0"), "joint j: got lower 1 and upper 0, expected -1e6 <= lower < upper <= 1e6"),
        (joint("lower: .nan, upper: 0"), "joint j: got lower NaN and upper 0"),
        (joint("lower: 0, upper: 1, unit: deg"), "joint j: unit: got 'deg', expected rad or m"),
        (joint("lower: 0, upper: 1, weight: 0"), "joint j: weight: got 0, expected 1e-6 to 1e6"),
        (joint("lower: 0, upper: 1, unit: m, compare: chord"), "joint j: compare: got chord of a joint in m"),
        (joint("lower: 0, upper: 1").replace("latent: 1", "latent: 0"), "latent: got 0, expected 1 to 4096"),
        (joint("lower: 0, upper: 1") + "groups: {g: [k]}\n", "group g: no joint 'k'; the nearest known name is 'j'"),
        (joint("lower: 0, upper: 1") + "  - {name: j, lower: 0, upper: 1}\n", "joint 'j' is there twice"),
        (
            "name: a\nlatent: 1\nimage: {channels: 3, height: 9000, width: 1}\n".to_owned(),
            "image: got 3 channels of 9000",
        ),
        ("name: a\nlatent: 1\npoints: {frame: '', names: [p]}\n".to_owned(), "points: frame: got ''"),
    ] {
        let refused = Description::parse(&text).expect_err("this description must be refused");
        assert!(refused.contains(sentence) && !refused.contains('\n'), "{refused}, for {text}");
    }
    assert_eq!(Description::parse(TIPS).unwrap().widths(), [2, 0, 6]);
}

#[test]
fn folders_that_are_not_there_are_told() {
    let refused = refusal(Path::new("no/such/folder"));
    assert!(refused.contains("a folder with task.yaml and forward.ts, which thalweg_export writes"), "{refused}");
}
