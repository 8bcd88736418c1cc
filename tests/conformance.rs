//! Every task keeps the contract: joints, points and images; the shipped weights, too.

mod doubles;

use doubles::image::Blob;
use thalweg_task::{LoadOptions, conformance};

#[test]
fn planar_arm() {
    conformance::check(&thalweg_planar_arm::ENTRY.load, &LoadOptions::default()).assert_passed();
}

#[test]
fn body_pose() {
    for loss in ["rotation", "axis_angle"] {
        let mut options = LoadOptions::default();
        options.parameters.insert("loss".to_owned(), loss.into());
        conformance::check(&thalweg_body_pose::ENTRY.load, &options).assert_passed();
    }
}

#[test]
fn grey_images() {
    conformance::check(&|options| Blob::load(1, options), &LoadOptions::default()).assert_passed();
}

#[test]
fn colour_images() {
    conformance::check(&|options| Blob::load(3, options), &LoadOptions::default()).assert_passed();
}
