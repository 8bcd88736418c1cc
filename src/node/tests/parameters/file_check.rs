//! Parameter files that rcl would pass over in silence, or answer without a sentence.

use std::path::{Path, PathBuf};

use thalweg_node::parameters::{addressed_names, check_file, check_text, own_parameters, parameter_files};

fn check(text: &str, node: &str) -> Result<(), String> {
    check_text(Path::new("a.yaml"), text, node).map_err(|error| error.to_string())
}

#[test]
fn parameters_for_another_node_are_refused() {
    let file = "/foo:\n  ros__parameters:\n    hypotheses: 4\n";
    let sentence = "a.yaml: file has parameters for /foo, this node is /bar";
    assert_eq!(check(file, "/bar"), Err(sentence.to_owned()));
    assert_eq!(check(file, "/foo"), Ok(()));
    let two = format!("{file}\"/other\":\n  ros__parameters: {{hypotheses: 4}}\n");
    assert_eq!(check(&two, "/bar"), Err("a.yaml: file has parameters for /foo, /other, this node is /bar".to_owned()));
    assert_eq!(check(&two, "/other"), Ok(()));
}

#[test]
fn wildcards_and_short_names_fit() {
    for name in ["/**", "**", "'/**'", "\"**\"", "thalweg", "/left/thalweg", "/left/thalweg "] {
        assert_eq!(
            check(&format!("{name}:\n  ros__parameters:\n    hypotheses: 4\n"), "/left/thalweg"),
            Ok(()),
            "{name}"
        );
    }
}

/// r2r compares names as they are written, where rclcpp would add the slash: silence otherwise.
#[test]
fn a_namespace_without_its_slash_does_not_fit() {
    let nested = "left:\n  thalweg:\n    ros__parameters:\n      hypotheses: 4\n";
    let sentence = "a.yaml: file has parameters for left/thalweg, this node is /left/thalweg";
    assert_eq!(check(nested, "/left/thalweg"), Err(sentence.to_owned()));
    assert_eq!(check(&format!("/{nested}"), "/left/thalweg"), Ok(()));
}

#[test]
fn names_are_found_among_other_things() {
    let file = "%YAML 1.2\n---\n# /comment:\n/a:\n  # ros__parameters:\n  ros__parameters:\n    b:\n      ros__parameters: 1\n\
                \n    list:\n    - c: 1\n/ns:\n  d:\n    \"ros__parameters\":\n      x: 1\n  'e':\n    ros__parameters:\n";
    assert_eq!(addressed_names(file), ["/a", "/ns/d", "/ns/e"]);
    assert_eq!(addressed_names(&file.replace('\n', "\r\n")), ["/a", "/ns/d", "/ns/e"]);
    assert_eq!(addressed_names(""), Vec::<String>::new());
}

#[test]
fn what_is_given_to_this_node_by_name() {
    let file = "/**:\n  ros__parameters:\n    shared: 1\nthalweg:\n  ros__parameters:\n    budget:\n      steps: 3\n    \
                a.b: 2\n/other:\n  ros__parameters:\n    theirs: 1\n";
    assert_eq!(own_parameters(file, "/thalweg"), ["budget", "budget.steps", "a.b"]);
    assert_eq!(own_parameters(file, "/other"), ["theirs"]);
    assert!(own_parameters(file, "/nobody").is_empty());
}

/// What only a parser of YAML sees through is left to rcl.
#[test]
fn flow_style_is_left_to_rcl() {
    assert_eq!(check("{/foo: {ros__parameters: {hypotheses: 4}}}", "/bar"), Ok(()));
}

#[test]
fn tabs_are_refused_with_their_line() {
    let sentence = "a.yaml: line 3 is indented by a tab; YAML wants spaces";
    assert_eq!(check("/**:\n  ros__parameters:\n\thypotheses: 4\n", "/bar"), Err(sentence.to_owned()));
    assert_eq!(check("/**:\n  ros__parameters:\n\t# a comment\n\t\n    a: \"\tb\"\t# c\n", "/bar"), Ok(()));
}

#[test]
fn a_file_without_parameters_is_refused() {
    for file in ["", "hypotheses: 4\n", "thalweg:\n  parameters:\n"] {
        let sentence = "a.yaml: no ros__parameters; expected `/**:`, below it `ros__parameters:`, below it parameters";
        assert_eq!(check(file, "/thalweg"), Err(sentence.to_owned()));
    }
}

#[test]
fn files_that_are_no_text_are_refused() {
    let folder = tempfile::tempdir().expect("a folder for this test");
    let refusal = |path: &Path| check_file(path, "/thalweg").expect_err("it is refused").to_string();
    let missing = folder.path().join("missing.yaml");
    assert!(refusal(&missing).starts_with(&format!("{}: No such file", missing.display())));
    assert!(refusal(folder.path()).starts_with(&format!("{}: ", folder.path().display())), "a folder");
    let binary = folder.path().join("binary.yaml");
    std::fs::write(&binary, b"/**:\n  ros__parameters:\n    theta: \xff\n").expect("the folder is ours");
    assert_eq!(refusal(&binary), format!("{}: line 3 is not valid UTF-8", binary.display()));
    std::fs::write(&binary, "/**:\n  ros__parameters:\n    theta: \u{e9}\n").expect("the folder is ours");
    check_file(&binary, "/thalweg").expect("this is UTF-8");
}

#[test]
fn files_are_found_among_arguments() {
    let arguments = "node --params-file no --ros-args --params-file a -p b:=c --params-file d -- --params-file no \
                     --ros-args --log-level info --params-file e --params-file";
    let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
    assert_eq!(parameter_files(&arguments), ["a", "d", "e"].map(PathBuf::from));
}
