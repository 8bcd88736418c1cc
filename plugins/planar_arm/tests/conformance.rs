//! The task keeps the contract.

use thalweg_planar_arm::ENTRY;
use thalweg_task::{LoadOptions, conformance};

#[test]
fn keeps_the_contract() {
    conformance::check(&ENTRY.load, &LoadOptions::default()).assert_passed();
}
