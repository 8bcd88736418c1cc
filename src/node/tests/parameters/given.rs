//! What files and arguments give a node: addressed as rclcpp does, told where something is passed over.
//!
//! tests/ros/test_parameter_files.py holds the same against rcl.

use std::path::Path;

use tempfile::TempDir;
use thalweg::Registry;
use thalweg_node::parameters::{Given, Origin, Store, full_name, full_table, given};
use thalweg_task::ParameterValue::{self, Bool, Double, Integer, IntegerArray, String as Text};

const NODE: &str = "/left/thalweg";

/// Files in a folder of their own, and the arguments that name them.
struct Files {
    folder: TempDir,
    arguments: Vec<String>,
}

impl Files {
    fn new(contents: &[&[u8]]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for this test");
        let mut arguments = vec!["node".to_owned(), "--ros-args".to_owned()];
        for (place, content) in contents.iter().enumerate() {
            let path = folder.path().join(format!("{place}.yaml"));
            std::fs::write(&path, content).expect("the folder is ours");
            arguments.extend(["--params-file".to_owned(), path.display().to_string()]);
        }
        Self { folder, arguments }
    }

    fn given(&self, node: &str) -> Result<Given, String> {
        let shown = format!("{}/", self.folder.path().display());
        given(&self.arguments, node).map_err(|error| error.to_string().replace(&shown, ""))
    }

    fn notices(&self, node: &str) -> Vec<String> {
        let shown = format!("{}/", self.folder.path().display());
        let notices = self.given(node).expect("it is taken").notices;
        notices.into_iter().map(|notice| notice.text.replace(&shown, "")).collect()
    }
}

fn of(text: &str) -> Vec<(String, ParameterValue)> {
    let given = Files::new(&[text.as_bytes()]).given(NODE).unwrap_or_else(|error| panic!("{text}: {error}"));
    given.values.into_iter().map(|given| (given.name, given.value)).collect()
}

fn refusal(text: &str) -> String {
    Files::new(&[text.as_bytes()]).given(NODE).expect_err(text)
}

fn below(name: &str) -> String {
    format!("{name}:\n  ros__parameters:\n    hypotheses: 4\n")
}

#[test]
fn every_form_of_a_name_that_rclcpp_takes() {
    let ours = [
        "/**",
        "'/**'",
        "\"**\"",
        "/left/thalweg",
        "left/thalweg",
        "/**/thalweg",
        "/*/thalweg",
        "'*/thalweg'",
        "/left/*",
        "/left/**",
        "/**/*",
        "/*/**",
        "/*/*",
        "/**/left/**",
        "/left:\n  thalweg",
        "left:\n    thalweg",
        "/**:\n  thalweg",
    ];
    for name in ours {
        let indented = below(name.rsplit('\n').next().unwrap());
        let text = name.rsplit_once('\n').map_or(indented.clone(), |(first, last)| {
            let indent = " ".repeat(last.len() - last.trim_start().len());
            format!("{first}\n{}", below(last).replacen(&indent, "", 0).replace("\n  ", &format!("\n{indent}  ")))
        });
        assert_eq!(of(&text), [("hypotheses".to_owned(), Integer(4))], "{text}");
    }
    for name in ["thalweg", "/thalweg", "/*", "/right/thalweg", "/left", "/*/*/thalweg", "/**/right/**"] {
        assert_eq!(of(&below(name)), [], "{name}");
    }
}

#[test]
fn several_robots_in_one_file() {
    let text = "robot1:\n  thalweg:\n    ros__parameters: {threads: 1}\n  camera:\n    ros__parameters: {fps: 30}\n\
                robot2:\n  thalweg:\n    ros__parameters: {threads: 2}\n/**:\n  ros__parameters: {hypotheses: 4}\n";
    let files = Files::new(&[text.as_bytes()]);
    for (node, threads) in [("/robot1/thalweg", 1), ("/robot2/thalweg", 2)] {
        let given = files.given(node).expect("it is taken");
        let values: Vec<_> =
            given.values.iter().map(|given| (given.name.as_str(), &given.value, given.origin)).collect();
        let expected = [("threads", &Integer(threads), Origin::Own), ("hypotheses", &Integer(4), Origin::Shared)];
        assert_eq!(values, expected);
    }
    let told = "0.yaml: has parameters also for robot1/camera, robot2/thalweg; this node is /robot1/thalweg; \
                '/robot2/thalweg' is another, write '/robot1/thalweg' or '/**/thalweg'";
    assert_eq!(files.notices("/robot1/thalweg"), [told]);
}

#[test]
fn what_comes_later_counts_whatever_name_it_stands_under() {
    let own = below("/left/thalweg");
    let all = "/**:\n  ros__parameters:\n    hypotheses: 8\n";
    assert_eq!(of(&format!("{own}{all}")), [("hypotheses".to_owned(), Integer(8))]);
    assert_eq!(of(&format!("{all}{own}")), [("hypotheses".to_owned(), Integer(4))]);
    let mut files = Files::new(&[all.as_bytes(), own.as_bytes()]);
    files.arguments.extend(["-p".to_owned(), "hypotheses:=2".to_owned()]);
    // The argument joins the section /**, which stands first: rcl's way, to be told from ours by rcl alone.
    assert_eq!(files.given(NODE).expect("it is taken").values[0].value, Integer(4));
    files.arguments.extend(["-p".to_owned(), "left/thalweg:hypotheses:=3".to_owned()]);
    assert_eq!(files.given(NODE).expect("it is taken").values[0].value, Integer(3));
}

#[test]
fn values_and_groups() {
    let text = "/**:\n  ros__parameters:\n    a: {b: {c: 1}, d: yes}\n    e.f: {g: 1.5}\n    h: '1'\n    i: [1, 2]\n";
    let names = [
        ("a.b.c", Integer(1)),
        ("a.d", Bool(true)),
        ("e.f.g", Double(1.5)),
        ("h", Text("1".to_owned())),
        ("i", IntegerArray(vec![1, 2])),
    ];
    assert_eq!(of(text), names.map(|(name, value)| (name.to_owned(), value)));
}

#[test]
fn marks_of_encodings_are_no_content() {
    let text = below("/**");
    let utf16 =
        |number: fn(u16) -> [u8; 2]| -> Vec<u8> { format!("\u{feff}{text}").encode_utf16().flat_map(number).collect() };
    for bytes in [
        format!("\u{feff}{text}").into_bytes(),
        utf16(u16::to_le_bytes),
        utf16(u16::to_be_bytes),
        text.replace('\n', "\r\n").into_bytes(),
    ] {
        let given = Files::new(&[&bytes]).given(NODE).expect("it is taken");
        assert_eq!(given.values[0].value, Integer(4));
    }
    let broken = Files::new(&[b"/**:\n  ros__parameters:\n    theta: \xff\n"]);
    assert_eq!(broken.given(NODE), Err("0.yaml: line 3 is not valid UTF-8".to_owned()));
}

#[test]
fn what_is_for_others_is_told() {
    let told = |text: &str| Files::new(&[text.as_bytes()]).notices(NODE);
    assert_eq!(told(&below("/foo")), ["0.yaml: has parameters only for /foo; this node is /left/thalweg"]);
    let hint = "'/thalweg' is another, write '/left/thalweg' or '/**/thalweg'";
    assert_eq!(
        told(&below("thalweg")),
        [format!("0.yaml: has parameters only for thalweg; this node is /left/thalweg; {hint}")]
    );
    assert_eq!(told(""), ["0.yaml: no parameters in it"]);
    assert!(told(&below("/**")).is_empty());
}

#[test]
fn what_rcl_does_not_take_is_refused_with_its_line() {
    let cases = [
        ("hypotheses: 4\n", "0.yaml: line 1: 'hypotheses' has no ros__parameters below it"),
        ("thalweg:\n  parameters:\n", "0.yaml: line 2: 'parameters' has no ros__parameters below it"),
        ("ros__parameters: {a: 1}", "0.yaml: line 1: no name of a node above ros__parameters"),
        ("/**:\n  ros__parameters:\n    a:\n", "0.yaml: line 3: expected a value"),
        ("/**:\n  ros__parameters:\n", "0.yaml: line 2: expected parameters below ros__parameters"),
        ("/**:\n  ros__parameters: {a: {}}\n", "0.yaml: line 2: the group 'a' is empty"),
        (
            "/**:\n  ros__parameters: {a: [1, b]}\n",
            "0.yaml: line 2: a list of values of several types, an integer and a string; expected one type",
        ),
        ("/**:\n  ros__parameters: {a: &x 1, b: *x}\n", "0.yaml: line 2: an alias, which rcl does not take"),
        (
            "/**:\n  ros__parameters: {a: 1}\n  b: 1\n",
            "0.yaml: line 3: 'b' beside ros__parameters; expected nothing beside it",
        ),
        ("left/:\n  ros__parameters: {a: 1}\n", "0.yaml: line 2: 'left/' is no name of a node"),
        ("[1, 2]", "0.yaml: line 1: expected names of nodes"),
        ("/**:\n  ros__parameters:\n\thypotheses: 4\n", "0.yaml: line 3 is indented by a tab; YAML wants spaces"),
    ];
    for (text, sentence) in cases {
        assert_eq!(refusal(text), sentence);
    }
    assert!(refusal("/**: {ros__parameters: {a: 1}").contains("not valid YAML"));
    assert!(refusal("**:\n  ros__parameters: {a: 1}").contains("0.yaml: line 1: "), "** is no word without quotes");
}

#[test]
fn files_that_are_none_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let refusal = |path: &Path| {
        let arguments = ["node", "--ros-args", "--params-file"].map(str::to_owned);
        let arguments = [&arguments[..], &[path.display().to_string()]].concat();
        given(&arguments, NODE).expect_err("it is refused").to_string()
    };
    let missing = folder.path().join("missing.yaml");
    assert!(refusal(&missing).starts_with(&format!("{}: No such file", missing.display())));
    assert!(refusal(folder.path()).starts_with(&format!("{}: ", folder.path().display())), "a folder");
    assert!(refusal(Path::new("/dev/null")).contains("regular file"), "{}", refusal(Path::new("/dev/null")));
    let large = folder.path().join("large.yaml");
    std::fs::File::create(&large).and_then(|file| file.set_len((4 << 20) + 1)).expect("a sparse file");
    assert!(refusal(&large).contains("large.yaml"));
}

#[test]
fn arguments_between_their_marks() {
    let arguments = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let line = "node -p no:=1 --ros-args -p a:=1 --param b:=[1,2] -p /left/thalweg:c:=x -p other:d:=1 -- -p no:=2";
    let given = given(&arguments(line), NODE).expect("it is taken");
    let values: Vec<_> = given.values.iter().map(|given| (given.name.as_str(), given.value.clone())).collect();
    assert_eq!(values, [("a", Integer(1)), ("b", IntegerArray(vec![1, 2])), ("c", Text("x".to_owned()))]);
    let refused = |line: &str| thalweg_node::parameters::given(&arguments(line), NODE).expect_err(line).to_string();
    assert_eq!(refused("n --ros-args -p a=1"), "-p a=1: expected NAME:=VALUE");
    assert_eq!(refused("n --ros-args -p a:="), "-p a:=: expected a value");
}

#[test]
fn the_name_of_the_node() {
    let name = |line: &str| full_name(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>(), "thalweg");
    assert_eq!(name("n"), "/thalweg");
    assert_eq!(name("n --ros-args -r __node:=left -r __ns:=/robot"), "/robot/left");
    assert_eq!(name("n --ros-args -r thalweg:__ns:=/ -r other:__ns:=/no -- -r __ns:=/no"), "/thalweg");
}

#[test]
fn strict_under_the_own_name_and_a_notice_under_wildcards() {
    let declared = |text: &str| {
        let given = Files::new(&[text.as_bytes()]).given(NODE).expect("it is taken");
        Store::declare_given(full_table(&Registry::shipped(), &[]), &given.values).map_err(|error| error.to_string())
    };
    let slip = |name: &str| format!("{name}:\n  ros__parameters:\n    hypothese: 4\n    budget: {{seconds: 1}}\n");
    let sentence = "unknown parameter 'hypothese'; the nearest known name is 'hypotheses'";
    assert_eq!(declared(&slip("/left/thalweg")).err().as_deref(), Some(sentence));
    for name in ["/**", "/*/thalweg", "/**/thalweg"] {
        let (store, others) = declared(&slip(name)).expect("it is taken");
        assert_eq!(others.len(), 2, "{name}");
        assert_eq!(others[0].to_string(), sentence);
        assert_eq!(store.get("hypotheses"), store.describe("hypotheses").map(|spec| &spec.default));
    }
}
