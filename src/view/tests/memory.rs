//! A window that is open for days must not grow. In a process of its own: nothing else may allocate.

#![allow(clippy::print_stdout, clippy::print_stderr)]

#[path = "pictures/answers.rs"]
mod answers;

use std::sync::Arc;
use std::time::Duration;

use answers::{crowd, human, standing};
use thalweg_view::headless::Studio;

/// Pictures before memory is measured: pipelines are built and buffers grow in the first ones.
const WARM_UP: u64 = 50;
/// Few, for the time they take; the bench draws a thousand.
const PICTURES: u64 = 200;

/// Memory that may come and go, MiB: the allocator's, not ours.
const SLACK: f64 = 8.0;

fn resident() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let resident: f64 = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number of pages");
    resident * 4096.0 / f64::from(1 << 20)
}

#[test]
fn pictures_need_no_more_memory_the_longer_they_are_drawn() {
    let mut studio = match Studio::open((128, 72), 1.0, Some(human())) {
        Ok(studio) => studio,
        Err(error) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "in CI pictures must be drawn: {error:#}");
            return eprintln!("SKIPPED, no picture is drawn: {error:#}");
        }
    };
    let mut before = 0.0;
    for index in 0..WARM_UP + PICTURES {
        let raise = (index as f64 * 0.1).sin();
        let mut shown = standing(&[raise, raise + 0.3, raise - 0.4], &[0.5, 0.3, 0.2]);
        shown.points = vec![[raise as f32, 0.0, 0.0]; 500].into();
        // People who come and go: from one picture to the next others, up to three.
        let names: Vec<String> = (0..index % 4).map(|place| format!("b{}", index + place)).collect();
        let places = names.iter().zip(0u8..).map(|(name, place)| (name.as_str(), [f64::from(place), 0.0, 3.0]));
        shown.people = crowd(&places.collect::<Vec<_>>()).people;
        studio.stage_mut().show(Arc::new(shown), Duration::from_millis(33 * index));
        studio.draw();
        if index == WARM_UP {
            before = resident();
        }
    }
    let grown = resident() - before;
    println!("{PICTURES} pictures: {grown:+.1} MiB of {before:.0}");
    assert!(grown < SLACK, "{grown:.1} MiB more after {PICTURES} pictures");
}
