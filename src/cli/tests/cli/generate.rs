//! What is installed beside the program.

use crate::thalweg;

#[test]
fn completions_and_man_pages_are_written_for_every_command() {
    let folder = tempfile::tempdir().unwrap();
    thalweg(&["generate", folder.path().to_str().unwrap()]).passed();
    let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_else(|_| panic!("no {name}"));
    for name in ["completions/thalweg.bash", "completions/_thalweg", "completions/thalweg.fish"] {
        assert!(text(name).contains("replay"), "{name} knows no command");
    }
    assert!(text("man1/thalweg.1").contains("inversion"));
    assert!(text("man1/thalweg-solve.1").contains("hypotheses"));
}
