//! The body, its ghosts, the points, the writing.

use std::sync::Arc;
use std::time::Duration;

use thalweg_view::film::Picture;
use thalweg_view::palette;

use crate::answers::{human, standing};
use crate::{difference, middle, of_hue, studio};

const SIZE: (u32, u32) = (640, 360);

#[test]
fn a_body_is_where_it_should_be_and_in_two_colours() {
    let Some(mut studio) = studio(SIZE, 1.0, Some(human())) else { return };
    let empty = studio.picture();
    assert!(of_hue(&empty, palette::COMPLETED).len() < 400, "the axes at most");
    studio.stage_mut().show(Arc::new(standing(&[-1.2], &[1.0])), Duration::ZERO);
    let picture = studio.picture();
    let (seen, completed) = (of_hue(&picture, palette::OBSERVED), of_hue(&picture, palette::COMPLETED));
    assert!(seen.len() > 3000 && completed.len() > 400, "{} blue, {} vermilion", seen.len(), completed.len());
    let ((x, y), (left_x, _)) = (middle(&seen), middle(&completed));
    assert!((x / 640.0 - 0.5).abs() < 0.1 && (y / 360.0 - 0.5).abs() < 0.2, "in the middle: {x} {y}");
    assert!(left_x > x + 5.0, "seen from ahead the left arm is at the right: {left_x} and {x}");
    let corner = picture.pixel(635, 180);
    assert!(corner.iter().zip(palette::PAPER).all(|(got, paper)| got.abs_diff(paper) < 14), "paper, got {corner:?}");
    let card: Vec<_> =
        (16..200).flat_map(|x| (16..110).map(move |y| (x, y))).map(|(x, y)| picture.pixel(x, y)).collect();
    let dark = card.iter().filter(|pixel| pixel.iter().all(|value| *value < 110)).count();
    let light = card.iter().filter(|pixel| pixel.iter().all(|value| *value > 240)).count();
    assert!(dark > 100 && light > 8000, "numbers on a card: {dark} dark, {light} light");
}

#[test]
fn ghosts_show_where_hypotheses_differ_and_fade_with_their_weight() {
    let Some(mut studio) = studio(SIZE, 1.0, Some(human())) else { return };
    let mut shot = |raises: &[f64], weights: &[f64]| {
        studio.stage_mut().show(Arc::new(standing(raises, weights)), Duration::ZERO);
        studio.picture()
    };
    let alone = shot(&[-1.2], &[1.0]);
    let agreed = shot(&[-1.2, -1.2], &[0.5, 0.5]);
    let likely = shot(&[-1.2, 0.9], &[0.5, 0.5]);
    let unlikely = shot(&[-1.2, 0.9], &[0.99, 0.01]);
    // Above the cards: the raised arm of the ghost.
    let arm = |picture| {
        let pixels = of_hue(picture, palette::COMPLETED);
        pixels.into_iter().filter(|(x, y)| *y < 150 && *x > 240 && *x < 480).count()
    };
    assert!(arm(&likely) > arm(&alone) + 150, "{} and {}", arm(&likely), arm(&alone));
    // The same place, without the numbers, which differ too.
    let changed = |picture: &Picture| {
        let region = (60..150).flat_map(|y| (240..480).map(move |x| (x, y)));
        let apart =
            |(x, y)| picture.pixel(x, y).into_iter().zip(alone.pixel(x, y)).map(|(a, b)| u32::from(a.abs_diff(b)));
        region.map(|at| apart(at).sum::<u32>()).sum::<u32>()
    };
    let (likely, unlikely, agreed) = (changed(&likely), changed(&unlikely), changed(&agreed));
    assert!(f64::from(likely) > 1.3 * f64::from(unlikely), "alpha follows the weight: {likely}, {unlikely}");
    assert!(unlikely > 5000, "the unlikely one is still there: {unlikely}");
    assert!(agreed < unlikely / 4, "a ghost that agrees is inside the body: {agreed}, {unlikely}");
}

#[test]
fn a_halo_is_as_wide_as_a_limb_may_be_off() {
    let Some(mut studio) = studio(SIZE, 1.0, Some(human())) else { return };
    let mut shot = |deviation: f64| {
        let mut shown = standing(&[-1.2], &[1.0]);
        let of = |name: &String| if name.starts_with("left_elbow") { deviation } else { 0.0 };
        shown.answer.deviation = shown.names.iter().map(of).collect();
        studio.stage_mut().show(Arc::new(shown), Duration::ZERO);
        studio.picture()
    };
    let [none, less, more] = [0.0, 0.1, 0.3].map(&mut shot);
    // Beside the hanging forearm and its hand, and elsewhere.
    let changed = |picture: &Picture, columns: std::ops::Range<u32>| {
        let region = (60..330).flat_map(|y| columns.clone().map(move |x| (x, y)));
        region.filter(|&(x, y)| picture.pixel(x, y) != none.pixel(x, y)).count()
    };
    let (less, more, elsewhere) = (changed(&less, 325..480), changed(&more, 325..480), changed(&more, 255..290));
    assert!(less > 100 && more > less + 100 && elsewhere < more / 20, "{less} {more} {elsewhere}");
}

#[test]
fn points_are_drawn_and_ten_thousand_hypotheses_are_capped() {
    let Some(mut studio) = studio(SIZE, 1.0, Some(human())) else { return };
    let mut shown = standing(&vec![-1.2; 10_000], &[]);
    shown.points = (0..2000).map(|at| [0.6, (at % 50) as f32 * 0.02 - 0.5, (at / 50) as f32 * 0.02]).collect();
    studio.stage_mut().show(Arc::new(shown), Duration::ZERO);
    let picture = studio.picture();
    let count = of_hue(&picture, palette::POINTS).len();
    assert!(count > 2000, "{count} pixels of points");
}

#[test]
fn twice_the_scale_is_the_same_picture_only_finer() {
    let shown = Arc::new(standing(&[-1.2, -0.4, 0.3], &[0.5, 0.3, 0.2]));
    let Some(mut coarse) = studio(SIZE, 1.0, Some(human())) else { return };
    coarse.stage_mut().show(Arc::clone(&shown), Duration::ZERO);
    let coarse = coarse.picture();
    let Some(mut fine) = studio((2 * SIZE.0, 2 * SIZE.1), 2.0, Some(human())) else { return };
    fine.stage_mut().show(shown, Duration::ZERO);
    let apart = difference(&coarse, &fine.picture().reduced(2));
    assert!(apart < 3.0, "{apart} of 255");
    // Small to nothing, and back.
    for (width, height) in [(1, 1), (64, 64), (SIZE.0, SIZE.1)] {
        fine.resize(width, height);
        assert_eq!(fine.picture().width, width);
    }
}
