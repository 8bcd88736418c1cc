//! Several people at their places.

use std::sync::Arc;
use std::time::Duration;

use thalweg_node::display::{ShownAnswer, ShownPerson};
use thalweg_task::Root;
use thalweg_view::film::Picture;
use thalweg_view::palette;

use crate::answers::{crowd, human, standing};
use crate::{middle, of_hue, studio};

const SIZE: (u32, u32) = (960, 540);

/// Pixels of bodies in a band of columns.
fn bodies(picture: &Picture, columns: std::ops::Range<u32>) -> usize {
    of_hue(picture, palette::OBSERVED).into_iter().filter(|(x, _)| columns.contains(x)).count()
}

/// Mean difference of channels between two pictures beside the cards, whose numbers follow the stream.
fn apart(one: &Picture, other: &Picture) -> f64 {
    let beside = (0..SIZE.1).flat_map(|y| (260..SIZE.0).map(move |x| (x, y)));
    let differ = |(x, y)| one.pixel(x, y).into_iter().zip(other.pixel(x, y)).map(|(a, b)| u32::from(a.abs_diff(b)));
    let sum: u32 = beside.flat_map(differ).sum();
    f64::from(sum) / f64::from(3 * SIZE.1 * (SIZE.0 - 260))
}

#[test]
fn each_stands_where_they_are_with_their_name_and_who_goes_is_gone() {
    let Some(mut studio) = studio(SIZE, 1.0, Some(human())) else { return };
    let mut shot = |shown: ShownAnswer, at: u64| {
        studio.stage_mut().show(Arc::new(shown), Duration::from_millis(at));
        studio.picture()
    };
    let alone = shot(standing(&[-1.2], &[1.0]), 0);
    let two = shot(crowd(&[("b7", [-0.6, 0.1, 2.5]), ("b9", [0.9, -0.1, 3.0])]), 33);
    // Who is at the camera's left is at the left, for we look as the camera does.
    let seen = of_hue(&two, palette::OBSERVED);
    let (left, right): (Vec<_>, Vec<_>) = seen.into_iter().filter(|(x, _)| *x > 250).partition(|(x, _)| *x < 560);
    assert!(left.len() > 2000 && right.len() > 1500, "{} and {}", left.len(), right.len());
    let between = middle(&right).0 - middle(&left).0;
    assert!(between > 150.0, "they stand apart: {between}");
    // A name stands on a card above each.
    let dark = |picture: &Picture, (x, y): (f64, f64)| {
        let (x, y) = (x as u32, y as u32);
        let near = (y.saturating_sub(240)..y).flat_map(|y| (x.saturating_sub(40)..x + 40).map(move |x| (x, y)));
        near.filter(|&(x, y)| picture.pixel(x, y).iter().all(|value| *value < 90)).count()
    };
    for body in [&left, &right] {
        assert!(dark(&two, middle(body)) > 20, "{} dark pixels above a body", dark(&two, middle(body)));
    }
    // Somebody is left: the one body as ever, its camera where it was.
    let again = shot(standing(&[-1.2], &[1.0]), 66);
    assert!(apart(&alone, &again) < 0.05, "{}", apart(&alone, &again));
    let one_of_several = ShownAnswer { people: crowd(&[("b7", [-0.6, 0.1, 2.5])]).people, ..standing(&[-1.2], &[1.0]) };
    assert!(apart(&alone, &shot(one_of_several, 99)) < 0.05, "one person is shown as ever");
}

#[test]
fn a_larger_body_is_drawn_larger_and_people_without_a_place_side_by_side() {
    let Some(mut studio) = studio(SIZE, 1.0, Some(human())) else { return };
    let mut shot = |people: Vec<ShownPerson>| {
        let shown = ShownAnswer { people: people.into(), ..standing(&[-1.2], &[1.0]) };
        studio.stage_mut().show(Arc::new(shown), Duration::ZERO);
        studio.picture()
    };
    let two = |scale: f64| {
        let people = crowd(&[("b7", [-0.7, 0.0, 3.0]), ("b9", [0.7, 0.0, 3.0])]).people.to_vec();
        let scaled = |person: &ShownPerson| {
            let root = person.root.map(|root| Root { scale: if *person.id == *"b7" { scale } else { 1.0 }, ..root });
            ShownPerson { root, ..person.clone() }
        };
        people.iter().map(scaled).collect::<Vec<_>>()
    };
    let sizes = [0.6, 1.3].map(|scale| bodies(&shot(two(scale)), 250..560));
    assert!(sizes[1] > 2 * sizes[0], "{sizes:?}");
    let nowhere: Vec<_> = two(1.0).into_iter().map(|person| ShownPerson { root: None, ..person }).collect();
    let picture = shot(nowhere);
    let (left, right) = (bodies(&picture, 250..560), bodies(&picture, 560..960));
    assert!(left > 1000 && right > 1000, "{left} and {right}");
}
