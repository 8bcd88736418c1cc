//! `thalweg new`: a folder for a task of one's own, which works before anything in it is changed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use thalweg_nn::files::write_atomically;

use crate::console;

/// Longest name of a task.
const MOST_NAME: usize = 64;

/// Options of `thalweg new`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  thalweg new my_hand && thalweg check ./my_hand
  thalweg new my_finger --kind library && cd my_finger && cargo build --release")]
pub(crate) struct NewArguments {
    /// Name of the task, in snake_case, and of the folder, which must not be there
    name: String,
    /// What it is
    #[arg(long, value_enum, default_value_t = Kind::Scripted)]
    kind: Kind,
    /// Source of thalweg, for a crate or a library [default: where this program was built]
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../.."), hide_default_value = true)]
    source: PathBuf,
}

/// What is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A PyTorch model: a description and TorchScript
    Scripted,
    /// A crate with a node of its own
    Crate,
    /// A shared library, which a node opens
    Library,
}

/// The shipped model, which a new one begins as.
const SCRIPTED: [(&str, &[u8]); 4] = [
    ("task.yaml", include_bytes!("../../../models/scripted/hand/task.yaml")),
    ("forward.ts", include_bytes!("../../../models/scripted/hand/forward.ts")),
    ("observation.json", include_bytes!("../../../models/scripted/hand/observation.json")),
    ("model.py", include_bytes!("../../../tools/thalweg_export/example/hand.py")),
];

/// The sources of the examples, and what the task is named in them.
const CRATE: [(&str, &str); 2] = [
    ("src/main.rs", include_str!("../../../examples/own_node/src/main.rs")),
    ("src/my_task.rs", include_str!("../../../examples/own_node/src/my_task.rs")),
];
const LIBRARY: [(&str, &str); 1] = [("src/lib.rs", include_str!("../../../examples/own_plugin/src/lib.rs"))];

/// Writes the folder; the name must be free.
pub(crate) fn run(arguments: &NewArguments) -> anyhow::Result<()> {
    let NewArguments { name, kind, source } = arguments;
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    ensure!(
        begins && name.len() <= MOST_NAME && name.chars().all(is_name),
        "got the name '{}', expected snake_case of at most {MOST_NAME} letters, as my_task",
        console::line(name)
    );
    let folder = Path::new(name);
    fs::create_dir(folder).with_context(|| format!("cannot make the folder {name}"))?;
    let files = match kind {
        Kind::Scripted => scripted(name),
        Kind::Crate => of_crate(name, source)?,
        Kind::Library => library(name, source)?,
    };
    for (file, content) in &files {
        write_atomically(&folder.join(file), content)?;
    }
    console::print(&format!("wrote {name}: {name}/README.md says what to do with it\n"))
}

/// Files by their names in the folder.
type Files = Vec<(&'static str, Vec<u8>)>;

fn scripted(name: &str) -> Files {
    let mut files: Files = SCRIPTED.iter().map(|(file, content)| (*file, content.to_vec())).collect();
    let description = String::from_utf8_lossy(SCRIPTED[0].1).replacen("name: hand", &format!("name: {name}"), 1);
    files[0].1 = description.into_bytes();
    files.push(("README.md", readme(name, Kind::Scripted)));
    files
}

fn of_crate(name: &str, source: &Path) -> anyhow::Result<Files> {
    let source = checkout(source)?;
    let rename = |text: &str| text.replace("\"my_task\"", &format!("\"{name}\"")).into_bytes();
    let mut files: Files = CRATE.iter().map(|(file, text)| (*file, rename(text))).collect();
    let depends =
        format!("thalweg = {{ path = \"{source}/src/thalweg\" }}\nthalweg-ros = {{ path = \"{source}/src/ros\" }}");
    files.push(("Cargo.toml", manifest(name, "", &depends)));
    files.push(("build.rs", include_bytes!("../../../build.rs").to_vec()));
    files.push(("README.md", readme(name, Kind::Crate)));
    Ok(files)
}

fn library(name: &str, source: &Path) -> anyhow::Result<Files> {
    let source = checkout(source)?;
    let rename = |text: &str| text.replace("\"own_plugin\"", &format!("\"{name}\"")).into_bytes();
    let mut files: Files = LIBRARY.iter().map(|(file, text)| (*file, rename(text))).collect();
    let depends = format!("tch = \"0.24.0\"\nthalweg-task = {{ path = \"{source}/src/task\" }}");
    files.push(("Cargo.toml", manifest(name, "\n[lib]\ncrate-type = [\"cdylib\"]\n", &depends)));
    files.push(("README.md", readme(name, Kind::Library)));
    Ok(files)
}

/// The path of the source, whole.
fn checkout(source: &Path) -> anyhow::Result<String> {
    let whole = source.canonicalize().ok().filter(|path| path.join("src/task/Cargo.toml").is_file());
    let whole = whole.with_context(|| format!("--source: got {}, expected the source of thalweg", source.display()))?;
    Ok(whole.to_str().context("--source: expected a path of UTF-8")?.to_owned())
}

/// A workspace of its own, wherever it lies.
fn manifest(name: &str, library: &str, depends: &str) -> Vec<u8> {
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\npublish = false\n{library}\n\
         [dependencies]\n{depends}\n\n[workspace]\n"
    )
    .into_bytes()
}

fn readme(name: &str, kind: Kind) -> Vec<u8> {
    let text = match kind {
        Kind::Scripted => format!(
            "A PyTorch model for thalweg. It works as it is; `model.py` and `task.yaml` are yours to change.\n\n\
             ```\nthalweg check ./{name}\nthalweg solve --task ./{name} {name}/observation.json\n\
             python -m thalweg_export {name}/model.py:decoder {name}/task.yaml --output {name}   # after a change\n\
             thalweg train theta --task ./{name}\n\
             ros2 launch thalweg thalweg.launch.py task:=$PWD/{name}\n```\n"
        ),
        Kind::Crate => format!(
            "A node with a task of its own: `src/my_task.rs`. libtorch and ROS 2 are found as thalweg finds them.\n\n\
             ```\ncargo run --release -- --dump-params={name} > {name}.yaml\n\
             cargo run --release -- --ros-args --params-file {name}.yaml\n```\n"
        ),
        Kind::Library => format!(
            "A task in a shared library: `src/lib.rs`. To be built by the compiler, and against the libtorch, of the thalweg \
             that opens it.\n\n\
             ```\ncargo build --release\nthalweg --plugin target/release/lib{name}.so check {name}\n\
             ros2 launch thalweg thalweg.launch.py plugins:=$PWD/target/release/lib{name}.so task:={name}\n```\n"
        ),
    };
    format!("# {name}\n\n{text}").into_bytes()
}
