//! Pictures, by structure and tolerance: which colours are where, never exact bits.
//!
//! Needs a driver (tools/setup_graphics.sh); without one it says that it is skipped, and fails where CI=true.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod answers;
mod body;
mod images;
mod people;

use thalweg_view::body::Model;
use thalweg_view::film::Picture;
use thalweg_view::headless::Studio;
use thalweg_view::palette::Rgb;

/// A studio, or none where nothing draws.
fn studio(size: (u32, u32), scale: f32, model: Option<Model>) -> Option<Studio> {
    match Studio::open(size, scale, model) {
        Ok(studio) => Some(studio),
        Err(error) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "in CI pictures must be drawn: {error:#}");
            eprintln!("SKIPPED, no picture is drawn: {error:#}");
            None
        }
    }
}

/// Pixels whose colour is of a hue like this one's: dark and light ones, but no grays.
fn of_hue(picture: &Picture, colour: Rgb) -> Vec<(u32, u32)> {
    let wanted = chroma(colour).expect("a colour");
    let all = (0..picture.height).flat_map(|y| (0..picture.width).map(move |x| (x, y)));
    all.filter(|(x, y)| chroma(picture.pixel(*x, *y)).is_some_and(|got| got[0] * wanted[0] + got[1] * wanted[1] > 0.9))
        .collect()
}

/// Direction of a colour away from gray, of length one; none for what is nearly gray.
fn chroma([red, green, blue]: Rgb) -> Option<[f64; 2]> {
    let [red, green, blue] = [red, green, blue].map(f64::from);
    let (across, along) = (red - (green + blue) / 2.0, (green - blue) * 3f64.sqrt() / 2.0);
    let length = across.hypot(along);
    (length > 24.0).then(|| [across / length, along / length])
}

fn middle(pixels: &[(u32, u32)]) -> (f64, f64) {
    let count = pixels.len().max(1) as f64;
    let sum = pixels.iter().fold((0.0, 0.0), |sum, (x, y)| (sum.0 + f64::from(*x), sum.1 + f64::from(*y)));
    (sum.0 / count, sum.1 / count)
}

/// Mean difference of channels between two pictures of one size.
fn difference(one: &Picture, other: &Picture) -> f64 {
    assert_eq!((one.width, one.height), (other.width, other.height));
    let sum: u64 = one.data.iter().zip(&other.data).map(|(one, other)| u64::from(one.abs_diff(*other))).sum();
    sum as f64 / one.data.len() as f64
}
