//! Trainings on labelled images: what they refuse.

use crate::thalweg;

#[test]
fn an_archive_that_is_not_there_is_told_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let (archive, output) = (folder.path().join("none.zip"), folder.path().join("out.safetensors"));
    let (archive, output) = (archive.to_str().unwrap(), output.to_str().unwrap());
    for training in [
        vec!["train", "classifier", "--images", archive, "--output", output],
        vec!["train", "head", "--images", archive, "--backbone", output, "--output", output],
    ] {
        let run = thalweg(&training);
        assert_eq!(run.code, 3, "{}", run.err);
        let expected = "expected a zip archive with train/CLASS/*.jpg and test/CLASS/*.jpg";
        assert!(run.err.contains("none.zip") && run.err.contains(expected), "{}", run.err);
    }
    assert!(!std::path::Path::new(output).exists());
}

#[test]
fn images_are_for_the_defence_alone() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("theta.safetensors");
    let task = ["train", "theta", "--task", "planar_arm", "--preset", "paper-defence"];
    thalweg(&[&task[..], &["--images", "some.zip", "--output", output.to_str().unwrap()]].concat())
        .refused(2, "--images holds labelled images; expected task image_defence, got planar_arm");
}
