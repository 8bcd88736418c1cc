//! `thalweg new`, and the commands of docs/tasks.md.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Runs the program in a folder.
fn in_folder(folder: &Path, args: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_thalweg");
    Command::new(program).args(args).current_dir(folder).output().expect("the program starts")
}

fn passed(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints UTF-8")
}

#[test]
fn a_new_scripted_task_works_at_once() {
    let folder = tempfile::tempdir().unwrap();
    passed(in_folder(folder.path(), &["new", "my_hand"]));
    let checked = passed(in_folder(folder.path(), &["check", "my_hand", "--no-costs"]));
    assert!(checked.starts_with("scripted: 19 of 19 rules kept"), "{checked}");
    // Changed, so that it cannot be taken for the shipped one.
    for file in ["task.yaml", "observation.json"] {
        let path = folder.path().join("my_hand").join(file);
        fs::write(&path, fs::read_to_string(&path).unwrap().replace("index_", "thumb_")).unwrap();
    }
    let solved = passed(in_folder(folder.path(), &["solve", "--task", "./my_hand", "my_hand/observation.json"]));
    assert!(solved.contains("thumb_2"), "{solved}");
    assert!(!in_folder(folder.path(), &["new", "my_hand"]).status.success(), "the folder is there");
    for name in ["", "My", "a/b", "../a", "1a"] {
        let error = in_folder(folder.path(), &["new", "--", name]);
        assert!(!error.status.success(), "{name}");
    }
}

/// What is written is what the examples are, which are built and tested here, but for the name.
#[test]
fn new_crates_and_libraries_are_the_examples() {
    let folder = tempfile::tempdir().unwrap();
    for (name, kind, file, example, old) in [
        ("my_arm", "crate", "src/my_task.rs", "examples/own_node/src/my_task.rs", "my_task"),
        ("my_finger", "library", "src/lib.rs", "examples/own_plugin/src/lib.rs", "own_plugin"),
    ] {
        passed(in_folder(folder.path(), &["new", name, "--kind", kind]));
        let written = fs::read_to_string(folder.path().join(name).join(file)).unwrap();
        let example = fs::read_to_string(thalweg_tests::root().join(example)).unwrap();
        assert_eq!(written, example.replace(&format!("\"{old}\""), &format!("\"{name}\"")));
        let manifest = folder.path().join(name).join("Cargo.toml");
        let metadata = Command::new(env!("CARGO"))
            .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"])
            .arg(manifest)
            .output()
            .unwrap();
        let metadata: serde_json::Value = serde_json::from_str(&passed(metadata)).unwrap();
        assert_eq!(metadata["packages"][0]["name"], name);
        let kinds = metadata["packages"][0]["targets"][0]["kind"].as_array().unwrap();
        assert_eq!(kinds[0], if kind == "library" { "cdylib" } else { "bin" });
        for dependency in metadata["packages"][0]["dependencies"].as_array().unwrap() {
            let path = dependency["path"].as_str();
            assert!(path.is_none_or(|path| Path::new(path).join("Cargo.toml").is_file()), "{dependency}");
        }
    }
}

/// Commands of a document: each block behind the mark.
fn commands(text: &str) -> Vec<String> {
    let blocks =
        text.split("<!-- commands -->\n```\n").skip(1).map(|rest| rest.split("\n```").next().unwrap_or_default());
    blocks.flat_map(str::lines).map(str::to_owned).collect()
}

#[test]
fn the_commands_of_the_documentation_run() {
    let folder = tempfile::tempdir().unwrap();
    let root = thalweg_tests::root();
    let library = root.join("target/release/libown_plugin.so");
    assert!(library.is_file(), "no library at {}: build it with `make programs`", library.display());
    for name in ["models", "target"] {
        std::os::unix::fs::symlink(root.join(name), folder.path().join(name)).unwrap();
    }
    let commands = commands(&fs::read_to_string(root.join("docs/tasks.md")).unwrap());
    assert!(commands.len() >= 5, "{commands:?}");
    for command in commands {
        let words: Vec<&str> = command.split_whitespace().collect();
        assert_eq!(words[0], "thalweg", "{command}");
        passed(in_folder(folder.path(), &words[1..]));
    }
    assert!(folder.path().join("out/hand_theta.safetensors").is_file());
}
