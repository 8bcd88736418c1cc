//! Files made from the table: they cannot drift from it. THALWEG_UPDATE=1 writes them anew.

use std::fs;
use std::path::PathBuf;

use thalweg::Registry;
use thalweg_node::parameters::{Store, dump, full_table, markdown, node_table, task_table};

fn path(name: &str) -> PathBuf {
    thalweg_tests::root().join(name)
}

fn wants_update() -> bool {
    std::env::var_os("THALWEG_UPDATE").is_some_and(|value| value == "1")
}

/// Ends the test unless the file holds this text; writes it where that is asked for.
fn assert_holds(name: &str, text: &str) {
    if wants_update() {
        fs::write(path(name), text).expect("the tree can be written");
    }
    let held = fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(held, text, "{name} is not what the table gives; run this test with THALWEG_UPDATE=1");
}

#[test]
fn parameter_files_are_what_the_table_gives() {
    for entry in Registry::shipped().entries() {
        assert_holds(
            &format!("launch/config/{}.yaml", entry.name),
            &dump(&Registry::shipped(), entry.name).expect("the task is known"),
        );
    }
}

#[test]
fn what_suits_a_task_is_a_parameter_and_within_its_range() {
    for entry in Registry::shipped().entries() {
        let suited: Vec<_> = (entry.suited)().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let store = Store::declare(full_table(&Registry::shipped(), &[]), &suited);
        store.unwrap_or_else(|error| panic!("{}: {error}", entry.name));
    }
}

#[test]
fn the_documentation_has_the_table() {
    const PAGE: &str = "docs/parameters.md";
    const MARKS: [&str; 2] = ["<!-- parameters -->\n", "<!-- /parameters -->"];
    let page = fs::read_to_string(path(PAGE)).expect("there is a page");
    let (before, rest) = page.split_once(MARKS[0]).expect("the page has the mark <!-- parameters -->");
    let (_, after) = rest.split_once(MARKS[1]).expect("the page has the mark <!-- /parameters -->");
    assert_holds(PAGE, &format!("{before}{}{}{}{after}", MARKS[0], markdown(&Registry::shipped()), MARKS[1]));
}

/// Reads what `dump` writes: dotted names and the text of values, in order.
fn read_back(yaml: &str) -> Vec<(String, String)> {
    let mut groups: Vec<String> = Vec::new();
    let mut found = Vec::new();
    for line in yaml.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let depth = (line.len() - line.trim_start().len()) / 2;
        groups.truncate(depth);
        match line.trim().split_once(": ") {
            Some((key, value)) => {
                let name = [&groups[2..], &[key.to_owned()]].concat().join(".");
                found.push((name, value.to_owned()));
            }
            None => groups.push(line.trim().strip_suffix(':').expect("a group ends in a colon").to_owned()),
        }
    }
    found
}

#[test]
fn every_row_is_in_its_file() {
    for entry in Registry::shipped().entries() {
        let yaml = dump(&Registry::shipped(), entry.name).expect("the task is known");
        assert_eq!(
            yaml.lines().filter(|line| line.starts_with(|letter| letter != ' ' && letter != '#')).collect::<Vec<_>>(),
            ["/**:"]
        );
        let table = node_table(&Registry::shipped()).into_iter().chain(task_table(entry));
        // Whoever launches says it, for all nodes alike.
        let table = table.filter(|spec| spec.name != "use_sim_time");
        let mut expected: Vec<_> = table.map(|spec| (spec.name.to_string(), spec.default.to_string())).collect();
        expected[0].1 = entry.name.to_owned();
        for (name, value) in (entry.suited)() {
            expected.iter_mut().filter(|(known, _)| known == name).for_each(|row| row.1 = value.to_string());
        }
        let mut found = read_back(&yaml);
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{yaml}");
    }
}

#[test]
fn every_key_has_a_comment() {
    let yaml = dump(&Registry::shipped(), "planar_arm").expect("the task is known");
    let lines: Vec<&str> = yaml.lines().collect();
    let values = lines.windows(2).filter(|pair| pair[1].contains(": ") && !pair[1].trim_start().starts_with('#'));
    for pair in values {
        let comment = pair[0].trim_start();
        assert!(comment.starts_with("# ") && comment.ends_with(']'), "{}: {comment}", pair[1]);
    }
    assert!(yaml.contains("    # Time that one solve may take; several people of one message share it. [double, s; [0.0005, 10.0]; any time]"), "{yaml}");
    assert!(!yaml.contains("qos_overrides") && !yaml.contains("body_pose.") && !yaml.contains('\t'));
}

#[test]
fn an_unknown_task_has_no_file() {
    let refusal = dump(&Registry::shipped(), "planar").expect_err("there is no such task").to_string();
    assert_eq!(refusal, "unknown task 'planar'; the nearest known name is 'planar_arm'");
}
