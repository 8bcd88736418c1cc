//! Paths that are set while the node runs lie in their roots, whatever links say.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use thalweg_node::parameters::Store;
use thalweg_task::ParameterValue;

use super::{store_with, text};

/// A store whose recordings go to a folder when nothing says otherwise.
fn confined(overrides: &[(&str, &Path)], recordings: &Path) -> Result<Store, String> {
    let overrides: Vec<(&str, ParameterValue)> =
        overrides.iter().map(|(name, path)| (*name, text(path.to_str().unwrap()))).collect();
    let mut store = store_with(&overrides)?;
    store.confine(recordings).map_err(|error| error.to_string())?;
    Ok(store)
}

/// Sets a path in state unconfigured; the refusal, if it is one.
fn refusal(store: &mut Store, name: &str, path: &str) -> Option<String> {
    store.set(&[(name.to_owned(), text(path))], true).err().map(|error| error.to_string())
}

#[test]
fn a_path_that_is_set_leads_nowhere_but_into_its_root() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["root", "root/in", "out", "rootless"] {
        fs::create_dir(at(name)).unwrap();
    }
    fs::write(at("out/secret"), b"").unwrap();
    symlink(at("out"), at("root/away")).unwrap();
    symlink(at("root/in"), at("out/back")).unwrap();
    symlink(at("out/new"), at("root/nowhere")).unwrap();
    for (root, names) in
        [("record.root", &["record.folder"][..]), ("reload.root", &["reload.path", "theta", "start.file", "models"])]
    {
        let mut store = confined(&[(root, &at("root"))], &at("out")).unwrap();
        for name in names {
            for good in ["root", "root/in", "root/new/newer", "out/back/x", "root/../root/in", "root/./in"] {
                assert_eq!(refusal(&mut store, name, at(good).to_str().unwrap()), None, "{name} {good}");
            }
            let bad = ["out", "out/secret", "out/none", "rootless", "root/..", "root/away", "root/away/secret"];
            let bad = bad.iter().chain(&["root/in/../../out", "root/nowhere", "root/nowhere/x", "root/new/../../out"]);
            for bad in bad.map(|bad| at(bad).display().to_string()).chain(["/".to_owned(), "/dev/null".to_owned()]) {
                let refusal = refusal(&mut store, name, &bad).unwrap_or_else(|| panic!("{name} {bad} was taken"));
                let expected = format!("must lie in {} ({root}, links resolved), got '{bad}'", at("root").display());
                assert_eq!(refusal, format!("{name} {expected}"), "the same words, whatever is there");
            }
        }
    }
}

#[test]
fn words_that_are_no_paths_pass() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = confined(&[("reload.root", folder.path())], folder.path()).unwrap();
    for (name, word) in [("theta", "identity"), ("theta", ""), ("start.file", "none"), ("reload.path", "")] {
        assert_eq!(refusal(&mut store, name, word), None, "{name} {word}");
    }
}

#[test]
fn what_is_given_at_the_start_is_the_root_where_no_other_is() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let given = [("record.folder", at("a")), ("reload.path", at("b/theta.safetensors")), ("models", at("c"))];
    let given: Vec<(&str, &Path)> = given.iter().map(|(name, path)| (*name, path.as_path())).collect();
    let mut store = confined(&given, &at("default")).unwrap();
    let mut outcome = |name, path: &str| refusal(&mut store, name, at(path).to_str().unwrap()).is_none();
    assert_eq!([outcome("record.folder", "a/x"), outcome("record.folder", "default")], [true, false]);
    assert_eq!([outcome("reload.path", "b/other"), outcome("reload.path", "c/theta")], [true, true]);
    assert_eq!([outcome("theta", "b/x"), outcome("theta", "a/x")], [true, false]);
    let roots = store.roots().unwrap();
    assert_eq!(roots.record_folder(Path::new("")).ok(), None, "the default lies outside of what was given");
    let store = confined(&[], &at("default")).unwrap();
    let real = folder.path().canonicalize().unwrap().join("default");
    assert_eq!(store.roots().unwrap().record_folder(Path::new("")).unwrap(), real);
}

#[test]
fn a_root_that_is_given_holds_at_the_start_too() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (root, name) in [("record.root", "record.folder"), ("reload.root", "reload.path"), ("reload.root", "theta")] {
        let refused = confined(&[(root, &at("root")), (name, &at("out"))], &at("default")).err().unwrap();
        assert!(refused.starts_with(&format!("{name} must lie in {}", at("root").display())), "{refused}");
        confined(&[(root, &at("root")), (name, &at("root/in"))], &at("default")).unwrap();
    }
    let store = confined(&[("record.root", &at("root"))], &at("default")).unwrap();
    let real = folder.path().canonicalize().unwrap().join("root");
    assert_eq!(store.roots().unwrap().record_folder(Path::new("")).unwrap(), real, "recordings go to the root");
}

/// A link that is turned after it was allowed is found when it is used.
#[test]
fn a_link_that_is_turned_leads_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["root", "root/in", "out"] {
        fs::create_dir(at(name)).unwrap();
    }
    symlink(at("root/in"), at("root/link")).unwrap();
    let mut store = confined(&[("record.root", &at("root"))], &at("root")).unwrap();
    assert_eq!(refusal(&mut store, "record.folder", at("root/link").to_str().unwrap()), None);
    let roots = store.roots().unwrap();
    let real = folder.path().canonicalize().unwrap().join("root/in");
    assert_eq!(roots.record_folder(&at("root/link")).unwrap(), real);
    fs::remove_file(at("root/link")).unwrap();
    symlink(at("out"), at("root/link")).unwrap();
    assert!(roots.record_folder(&at("root/link")).is_err());
}

/// Retention is the business of who starts the node: nobody on the graph has files removed by it.
#[test]
fn retention_is_read_only() {
    let mut store = store_with(&[]).unwrap();
    for name in ["record.total_size", "record.root", "reload.root"] {
        let value = store.get(name).unwrap().clone();
        let other = match &value {
            ParameterValue::Integer(value) => ParameterValue::Integer(value + 1),
            _ => text("elsewhere"),
        };
        store.set(&[(name.to_owned(), value)], true).expect("its own value changes nothing");
        let refusal = store.set(&[(name.to_owned(), other)], true).expect_err(name).to_string();
        assert_eq!(refusal, format!("{name} is read-only; restart needed"));
    }
}
