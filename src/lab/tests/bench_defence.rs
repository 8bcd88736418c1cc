//! `thalweg-lab bench defence`, from files to tables and pictures, on images and weights that are drawn.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tch::{Device, Kind};
use thalweg_image_defence::{BackboneConfig, Defence, HeadConfig, LossConfig, Stage, Stem, ViewsConfig};

/// Two classes, a few images of each.
fn archive(folder: &Path) -> PathBuf {
    let path = folder.join("images.zip");
    let mut writer = zip::ZipWriter::new(std::fs::File::create(&path).expect("a file"));
    let mut random = StdRng::seed_from_u64(1);
    for (split, class, index) in ["train", "test"]
        .iter()
        .flat_map(|split| ["a", "b"].map(|class| (split, class)))
        .flat_map(|(split, class)| (0..4).map(move |index| (split, class, index)))
    {
        let mut bytes = Vec::new();
        let image = image::RgbImage::from_fn(32, 32, |_, _| image::Rgb(std::array::from_fn(|_| random.random())));
        let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 90);
        image.write_with_encoder(encoder).expect("a JPEG");
        let options = zip::write::SimpleFileOptions::default();
        writer.start_file(format!("{split}/{class}/{index}.jpg"), options).expect("an entry");
        writer.write_all(&bytes).expect("written");
    }
    writer.finish().expect("an archive");
    path
}

fn defence(path: &Path, seed: u64) {
    let config = BackboneConfig {
        height: 32,
        width: 32,
        mean: [0.5; 3],
        std: [0.25; 3],
        stem: Stem { channels: 4, stride: 4 },
        stages: vec![Stage { channels: 6, blocks: 1, stride: 2, projection: true }],
        pooled: false,
        hidden: vec![],
        classes: 3,
    };
    let head = HeadConfig { hidden: 8, projection: 4 };
    let drawn = Defence::drawn(config, head, 16, &mut StdRng::seed_from_u64(seed), (Kind::Float, Device::Cpu));
    let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
    let loss = LossConfig { temperature: 0.2, shrinkage: 0.0 };
    let views = ViewsConfig { count: 2, ..ViewsConfig::default() };
    Defence { classes, views, loss, ..drawn }.save(path, false).expect("written");
}

fn bench(folder: &Path, images: &Path, test: &str) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg-lab"));
    command.args(["bench", "defence", "--images"]).arg(images);
    for (name, seed) in [("one", 1), ("two", 2)] {
        let path = folder.join(format!("{name}.safetensors"));
        if !path.exists() {
            defence(&path, seed);
        }
        command.arg("--defence").arg(path);
    }
    command.args(["--test", test, "--validation", "4", "--adaptive", "2", "--ensemble", "3", "--steps", "3"]);
    command.args(["--adaptive-steps", "2", "--apgd-steps", "4", "--queries", "5", "--output"]).arg(folder.join("out"));
    command.output().expect("the program starts")
}

#[test]
fn tables_and_pictures_come_out_and_an_ended_run_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let (folder, images) = (folder.path(), archive(folder.path()));
    let run = bench(folder, &images, "6");
    let (text, errors) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{errors}");
    for row in [
        "| one | static | L2 256/255 | 6 | r |",
        "| one | static | L2 256/255 | 6 | noise, gentle |",
        "| two | transfer |",
        "| one | ensemble |",
        "| two | adaptive | L2 256/255 | 2 | r, gentle |",
    ] {
        assert!(text.contains(row), "no {row} in {text}");
    }
    assert!(!text.contains("| adaptive | L2 256/255 | 2 | noise"), "a control was attacked: {text}");
    let out = folder.join("out");
    let results = std::fs::read(out.join("results.json")).expect("results");
    for picture in ["steps_one.png", "strength_two.png"] {
        assert!(out.join(picture).exists(), "no {picture}");
    }
    // All blocks are there: nothing is measured anew.
    let again = bench(folder, &images, "6");
    assert!(again.status.success());
    assert_eq!(again.stdout, run.stdout);
    assert_eq!(std::fs::read(out.join("results.json")).expect("results"), results);
    let other = bench(folder, &images, "5");
    assert!(String::from_utf8_lossy(&other.stderr).contains("comes from other options"));
}

#[test]
fn too_few_images_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let images = archive(folder.path());
    let run = bench(folder.path(), &images, "9");
    assert_eq!(run.status.code(), Some(3));
    let errors = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(errors.contains("8 images of test, expected at least 9"), "{errors}");
}
