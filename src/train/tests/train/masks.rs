//! What the descents of a training see.

use rand::SeedableRng;
use rand::rngs::StdRng;
use thalweg::Registry;
use thalweg_task::{ImageSpec, LoadOptions, TaskSpec};
use thalweg_train::{MaskOptions, Masks, Visible};

use super::load;

/// Draws for each kind of gap.
const DRAWS: usize = 2000;

const NONE: MaskOptions = MaskOptions { whole: 0.0, limbs: 0.0, joints: 0.0, end_effectors: 0.0 };

fn body() -> TaskSpec {
    let models = thalweg_tests::root().join("models");
    Registry::shipped().load("body_pose", &LoadOptions { models, ..LoadOptions::default() }).unwrap().spec().clone()
}

fn draw(options: &MaskOptions, spec: &TaskSpec) -> Vec<Visible> {
    let masks = Masks::new(options, spec);
    let mut random = StdRng::seed_from_u64(1);
    (0..DRAWS).map(|_| masks.draw(&mut random)).collect()
}

fn hidden(visible: &Visible) -> Vec<usize> {
    (0..visible.joints.len()).filter(|&joint| !visible.joints[joint]).collect()
}

/// The joints of some groups, ascending, each once.
fn union(spec: &TaskSpec, groups: &[&str]) -> Vec<usize> {
    let mut joints: Vec<usize> = groups.iter().flat_map(|name| spec.group(name).unwrap().joints.clone()).collect();
    joints.sort_unstable();
    joints.dedup();
    joints
}

#[test]
fn limbs_are_hidden_whole_one_or_two() {
    let spec = body();
    let limbs = ["legs", "left_leg", "right_leg", "arms", "left_arm", "right_arm", "trunk"];
    let pairs = limbs.iter().flat_map(|a| limbs.iter().map(move |b| union(&body(), &[a, b])));
    let allowed: Vec<Vec<usize>> = pairs.collect();
    let draws = draw(&MaskOptions { limbs: 1.0, ..NONE }, &spec);
    for visible in &draws {
        assert!(allowed.contains(&hidden(visible)), "{:?}", hidden(visible));
    }
    for limb in limbs {
        assert!(draws.iter().any(|visible| hidden(visible) == union(&spec, &[limb])), "{limb} was never hidden alone");
    }
}

#[test]
fn end_effectors_are_all_that_is_left() {
    let spec = body();
    for visible in draw(&MaskOptions { end_effectors: 1.0, ..NONE }, &spec) {
        assert_eq!(hidden(&visible), union(&spec, &["end_effectors_only"]));
    }
}

/// Whole joints, three axes each; from one to thirteen of 21, three tenths on the average.
#[test]
fn single_joints_are_hidden_at_random() {
    let mut total = 0;
    for visible in draw(&MaskOptions { joints: 1.0, ..NONE }, &body()) {
        let joints: Vec<&[bool]> = visible.joints.chunks(3).filter(|axes| !axes[0]).collect();
        assert!(visible.joints.chunks(3).all(|axes| axes[0] == axes[1] && axes[1] == axes[2]));
        assert!((1..=13).contains(&joints.len()), "{} joints", joints.len());
        total += joints.len();
    }
    let share = total as f64 / (21 * DRAWS) as f64;
    assert!((0.29..0.36).contains(&share), "{share}");
}

#[test]
fn shares_are_kept() {
    let draws = draw(&MaskOptions::default(), &body());
    let share = |fits: &dyn Fn(&Visible) -> bool| draws.iter().filter(|v| fits(v)).count() as f64 / DRAWS as f64;
    let whole = share(&|visible| visible.joints.iter().all(|seen| *seen));
    assert!((whole - 0.25).abs() < 0.04, "{whole}");
    let effectors = union(&body(), &["end_effectors_only"]);
    let effectors = share(&|visible| hidden(visible) == effectors);
    assert!((effectors - 0.15).abs() < 0.04, "{effectors}");
}

/// A task without groups: its share of limbs goes to random joints; something is always seen.
#[test]
fn a_task_without_groups_has_gaps_at_random_joints_and_points() {
    let spec = load().unwrap().spec().clone();
    let draws = draw(&MaskOptions { limbs: 0.5, end_effectors: 0.5, ..NONE }, &spec);
    let mut counts = [[0usize; 4]; 2];
    for Visible { joints, points, .. } in &draws {
        for (counts, visible) in counts.iter_mut().zip([joints, points]) {
            assert_eq!(visible.len(), 3);
            counts[visible.iter().filter(|seen| **seen).count()] += 1;
        }
    }
    for [none, one, two, all] in counts {
        assert_eq!((none, all), (0, 0), "something must be seen, something hidden");
        assert!(one > DRAWS / 4 && two > DRAWS / 4, "{counts:?}");
    }
}

#[test]
fn complete_observations_stay_complete() {
    let masks = Masks::new(&MaskOptions::complete(), &body());
    assert!(masks.is_complete() && !Masks::new(&MaskOptions::default(), &body()).is_complete());
}

/// Of an image a rectangle is hidden, or shown alone, in the shares that were asked for.
#[test]
fn images_have_rectangular_gaps() {
    let image = Some(ImageSpec { channels: 3, height: 20, width: 30 });
    let spec = TaskSpec { image, joints: Vec::new(), points: None, ..load().unwrap().spec().clone() };
    let draws = draw(&MaskOptions { whole: 0.5, joints: 0.25, end_effectors: 0.25, ..NONE }, &spec);
    let share = |fits: &dyn Fn(&Visible) -> bool| draws.iter().filter(|v| fits(v)).count() as f64 / DRAWS as f64;
    let shown = |visible: &Visible| visible.image.as_ref().map(|patch| patch.is_shown);
    for (expected, kind) in [(0.5, None), (0.25, Some(false)), (0.25, Some(true))] {
        let got = share(&|visible| shown(visible) == kind);
        assert!((got - expected).abs() < 0.04, "{kind:?}: {got}");
    }
    for patch in draws.iter().filter_map(|visible| visible.image.as_ref()) {
        let mask = patch.mask(20, 30);
        let inside = (patch.rows.end - patch.rows.start) * (patch.columns.end - patch.columns.start);
        let marked = mask.iter().filter(|seen| **seen == patch.is_shown).count() as i64;
        assert!(patch.rows.end <= 20 && patch.columns.end <= 30 && inside == marked, "{patch:?}");
        assert!(mask.contains(&true) && mask.contains(&false), "{patch:?}");
    }
}
