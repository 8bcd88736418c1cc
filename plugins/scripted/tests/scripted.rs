//! Models that were exported by PyTorch: sound ones keep the contract, others are refused in a sentence.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test makes files")]

use std::fs;
use std::path::{Path, PathBuf};

use tch::{Kind, Tensor};
use tempfile::TempDir;
use thalweg_gan_inversion::Lpips;
use thalweg_scripted::{Description, ENTRY, FORWARD, OBJECTIVE, PARAMETER};
use thalweg_task::{DenseHead, LoadOptions, Masked, Observation, Task, conformance, numbers};

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

/// An angle and an image, which `tests/data/make.py` has as `Picture`.
const PICTURE: &str = "
name: picture
latent: 2
joints: [{name: a, lower: -4, upper: 4, weight: 3}]
image: {channels: 3, height: 32, width: 32, weight: 0.1, lpips: 2}
objective: [chord, lpips]
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
    refusal_of(&options(folder))
}

fn refusal_of(options: &LoadOptions) -> String {
    match (ENTRY.load)(options) {
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

/// The weights of LPIPS are fetched, as those of gan_inversion are.
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn images_are_compared_by_lpips() {
    let folder = folder(PICTURE, &[(FORWARD, "picture.ts")]);
    let mut options = options(folder.path());
    options.models = folder.path().to_owned();
    let refused = refusal_of(&options);
    assert!(refused.contains("lpips_alexnet.safetensors: is not there; it is fetched"), "{refused}");
    options.models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    if !options.models.join(Lpips::FILE).is_file() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "in CI tools/setup_gan.sh has to run first");
        eprintln!("skipped: the weights of LPIPS are not there; run tools/setup_gan.sh");
        return;
    }
    // Held to the contract as it is loaded; all rules would take AlexNet a minute.
    let both = (ENTRY.load)(&options).unwrap();
    assert!(!both.spec().residual && both.dense().is_none());

    fs::write(folder.path().join("task.yaml"), PICTURE.replace("[chord, lpips]", "chord").replace(", lpips: 2", ""))
        .unwrap();
    let plain = (ENTRY.load)(&options).unwrap();
    let x = Tensor::from_slice(&[0.3_f32, -0.4, 0.9, 0.2]).view([2, 2]);
    let (truth, y_hat) = (both.forward(&x.narrow(0, 0, 1)).unwrap(), both.forward(&x).unwrap());
    let seen = both.render(&truth).unwrap();
    let obs = |is_seen: bool| Observation {
        image: is_seen.then(|| Masked::new(seen.image.as_ref().unwrap())),
        ..Observation::of_joints(seen.joints.as_ref().unwrap())
    };
    let loss = |task: &dyn Task, obs: &Observation| {
        numbers::<f64>(&task.objective(&y_hat, &task.encode(obs).unwrap()).unwrap().loss)
    };
    let (with, without) = (loss(&*both, &obs(true)), loss(&*plain, &obs(true)));
    let lpips = Lpips::load(&options.models.join(Lpips::FILE), &options).unwrap();
    let images = both.render(&y_hat).unwrap().image.unwrap();
    let features = lpips.features(&images, &images.ones_like()).unwrap();
    let apart = (features.get(1) - features.get(0)).square().sum(Kind::Float).double_value(&[]);
    assert!(apart > 0.01 && with[0] < 1e-9 && without[0] < 1e-9, "{apart} {with:?} {without:?}");
    assert!(
        (with[1] - without[1] - 4.0 * apart).abs() < 1e-4 * with[1],
        "the factor of 2 is squared: {with:?} {without:?}"
    );
    let hidden = |value: f64| {
        let image = seen.image.as_ref().unwrap().copy();
        drop(image.narrow(3, 0, 16).fill_(f64::NAN));
        let field = Masked::new(&image);
        let filled = field.value().shallow_clone();
        drop(filled.narrow(3, 0, 16).fill_(value));
        Observation { image: Some(Masked::new(&filled).hide(field.observed())), ..obs(false) }
    };
    let half = loss(&*both, &hidden(0.0));
    assert_eq!(half, loss(&*both, &hidden(1e30)), "what was not seen counts nothing");
    assert!(half[0] < 1e-9 && half[1] > 0.01 && half[1] < with[1], "{half:?}");
    assert_eq!(loss(&*both, &obs(false)), loss(&*plain, &obs(false)), "without an image there is nothing to compare");
}

#[test]
fn a_perceptron_whose_angles_are_compared_by_their_chord_runs_natively() {
    let text = fs::read_to_string(hand().join("task.yaml")).unwrap();
    let turning = folder(&format!("objective: chord\n{text}"), &[]);
    fs::copy(hand().join(FORWARD), turning.path().join(FORWARD)).unwrap();
    conformance::check(&ENTRY.load, &options(turning.path())).assert_passed();
    let task = load(turning.path());
    let form = task.dense().expect("dense layers");
    assert_eq!(form.head, DenseHead::Chords((0..task.spec().joints.len()).collect()));
    let y_hat = task.forward(&Tensor::zeros([1, 3], (Kind::Float, tch::Device::Cpu))).unwrap();
    let turned = &y_hat + std::f64::consts::TAU;
    let loss = |task: &dyn Task| {
        let target = task.encode(&Observation::of_joints(&turned)).unwrap();
        task.objective(&y_hat, &target).unwrap().loss.double_value(&[0])
    };
    assert!(loss(&*task) < 1e-6 && loss(&*load(&hand())) > 1.0, "a whole turn counts nothing");
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
        (
            joint("lower: 0, upper: 1, unit: m") + "objective: chord\n",
            "objective: chord compares joints in rad, and there are none",
        ),
        (joint("lower: 0, upper: 1") + "objective: [squares, lpips]\n", "lpips compares an image, and there is none"),
        (joint("lower: 0, upper: 1") + "objective: [file, chord]\n", "objective: file compares all there is"),
        (joint("lower: 0, upper: 1") + "objective: [chord, chord]\n", "objective: a word is there twice"),
        (joint("lower: 0, upper: 1") + "objective: ssim\n", "unknown variant"),
        (joint("lower: 0, upper: 1") + "objective: 3\n", "expected squares, chord, lpips or file, or a list of"),
        (
            PICTURE.replace("height: 32", "height: 30"),
            "lpips: got an image of 3 channels of 30 x 32, expected 1 or 3 of",
        ),
        (PICTURE.replace("channels: 3", "channels: 4"), "lpips: got an image of 4 channels of 32 x 32"),
        (PICTURE.replace(", lpips]", "]"), "image: lpips: got a weight, expected lpips in `objective`, too"),
        (PICTURE.replace("lpips: 2", "lpips: 0"), "image: lpips: weight: got 0, expected 1e-6 to 1e6"),
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
