//! Clouds without names: rows P24 to P28.

use thalweg_node::intake::{Cause, Decoded, Input, Intake, IntakeConfig, Refusal, WHOLE, decode_cloud};
use thalweg_task::{PointsSpec, TaskSpec, numbers};

use crate::messages::{Cloud, NOW, SECOND, at, causes, points_spec, task_spec};

const ROOM: usize = 60;

fn spec() -> PointsSpec {
    PointsSpec { cloud: ROOM, ..points_spec(2) }
}

fn decode(cloud: &Cloud, within: &[f64; 6]) -> Result<Option<Decoded>, Refusal> {
    decode_cloud(&cloud.message(&cloud.fields()), &spec(), within)
}

/// So many points of a wall at x = 1, a metre wide and high.
fn wall(count: usize) -> Cloud {
    let side = (count as f64).sqrt().ceil() as usize;
    let point = |at: usize| [1.0, (at % side) as f32 / side as f32, (at / side) as f32 / side as f32];
    Cloud::new(&(0..count).map(point).collect::<Vec<_>>())
}

fn seen(decoded: &Decoded) -> Vec<[f32; 3]> {
    decoded.values.as_chunks().0.iter().filter(|point| !point[0].is_nan()).copied().collect()
}

#[test]
fn p24_a_huge_cloud_is_thinned_to_what_the_task_observes() {
    for count in [40, 10_000, 500_000] {
        let decoded = decode(&wall(count), &WHOLE).expect("a good cloud").expect("not empty");
        assert_eq!(decoded.values.len(), 3 * ROOM);
        let seen = seen(&decoded);
        assert!(seen.len() <= ROOM && seen.len() >= ROOM / 4, "{count}: {}", seen.len());
        assert!(seen.iter().all(|point| (point[0] - 1.0).abs() < 1e-6 && (0.0..=1.0).contains(&point[1])));
        assert!(decoded.notices.is_empty(), "{:?}", decoded.notices);
    }
}

#[test]
fn p24_more_points_than_are_ever_read_are_refused() {
    let cloud = Cloud { width: 2_000_000, ..wall(40) };
    assert_eq!(decode(&cloud, &WHOLE).expect_err("refused").cause, Cause::TooManyPoints);
}

#[test]
fn p25_points_outside_the_box_do_not_count_and_none_inside_is_told() {
    let half = [0.0, 0.0, 0.0, 2.0, 0.5, 1.0];
    let decoded = decode(&wall(50), &half).expect("a good cloud").expect("not empty");
    assert!(!seen(&decoded).is_empty() && seen(&decoded).iter().all(|point| point[1] <= 0.5));
    let behind = [-2.0, -2.0, -2.0, 0.0, 2.0, 2.0];
    let decoded = decode(&wall(50), &behind).expect("a good cloud").expect("not empty");
    assert!(seen(&decoded).is_empty());
    let notice = &decoded.notices[0];
    assert_eq!(notice.cause, Cause::NothingSeen);
    assert!(notice.text.contains("got 0 of 50 points in the box, first 1 0 0; expected some within -2"), "{notice}");
}

#[test]
fn p26_a_cloud_of_nothing_finite_is_told_and_an_empty_one_says_that_nothing_is_seen() {
    let decoded = decode(&Cloud::new(&[[f32::NAN; 3]; 9]), &WHOLE).expect("a good cloud").expect("not empty");
    assert_eq!((seen(&decoded).len(), decoded.notices[0].cause), (0, Cause::NothingSeen));
    let decoded = decode(&Cloud::new(&[[0.0; 3]; 9]), &WHOLE).expect("a good cloud").expect("not empty");
    assert_eq!((seen(&decoded).len(), decoded.notices[0].cause), (0, Cause::NothingSeen));
    assert!(decode(&Cloud::new(&[]), &WHOLE).expect("an empty cloud").is_none());
}

#[test]
fn p27_millimetres_are_refused_with_a_guess() {
    let mut cloud = wall(50);
    cloud.data =
        cloud.data.as_chunks().0.iter().flat_map(|four| (1e3 * f32::from_le_bytes(*four)).to_le_bytes()).collect();
    let refusal = decode(&cloud, &WHOLE).expect_err("refused");
    assert_eq!(refusal.cause, Cause::OutOfLimits);
    assert!(refusal.text.ends_with("are these millimetres?"), "{refusal}");
}

#[test]
fn p28_another_frame_and_a_broken_layout_are_refused_as_for_named_points() {
    let refused = |cloud: Cloud| decode(&cloud, &WHOLE).expect_err("refused").cause;
    assert_eq!(refused(Cloud { frame_id: "camera".into(), ..wall(9) }), Cause::WrongFrame);
    assert_eq!(refused(Cloud { point_step: 0, ..wall(9) }), Cause::BadLayout);
    assert_eq!(refused(Cloud { row_step: 5, ..wall(9) }), Cause::BadLayout);
    let mut cloud = wall(9);
    cloud.fields.pop();
    assert_eq!(refused(cloud), Cause::MissingField);
}

fn task() -> TaskSpec {
    TaskSpec { points: Some(spec()), ..task_spec() }
}

#[test]
fn named_points_and_a_cloud_are_observed_together_each_for_its_time() {
    let mut intake = Intake::new(&task(), IntakeConfig::default());
    let (named, cloud) = (Cloud::new(&[[1.0, 2.0, 3.0], [f32::NAN, 5.0, 6.0]]), wall(10));
    assert_eq!(intake.take_cloud(&cloud.message(&cloud.fields()), NOW).used, 30);
    let count = |intake: &mut Intake, now: i64| {
        let (obs, provenance) = intake.observation(now).expect("observed");
        obs.validate(&task()).expect("fits the task");
        let points = obs.points.expect("points");
        let named = numbers::<bool>(points.observed())[..6].iter().filter(|seen| **seen).count() as i64;
        (named, points.count() - named, provenance.points_frame)
    };
    let world = Some("world".to_owned());
    assert_eq!(count(&mut intake, NOW), (0, 30, world.clone()));
    let later = NOW + SECOND;
    let named = Cloud { stamp: at(later), ..named };
    intake.take_points(&named.message(&named.fields()), later);
    assert_eq!(count(&mut intake, later), (3, 30, world.clone()), "one of the named points lacks a coordinate");
    assert_eq!(count(&mut intake, later + 1), (3, 0, world));
    assert_eq!(intake.channel(Input::Cloud).used, 1);
}

#[test]
fn a_cloud_of_which_nothing_counts_takes_the_place_of_the_one_before() {
    let mut intake = Intake::new(&task(), IntakeConfig::default());
    let cloud = wall(10);
    intake.take_cloud(&cloud.message(&cloud.fields()), NOW);
    let nothing = Cloud { stamp: at(NOW + 1), ..Cloud::new(&[[f32::NAN; 3]; 9]) };
    assert_eq!(causes(&intake.take_cloud(&nothing.message(&nothing.fields()), NOW + 1)), [Cause::NothingSeen]);
    assert!(intake.observation(NOW + 1).is_none());
}

#[test]
fn a_task_without_a_cloud_ignores_one() {
    let mut intake = Intake::new(&task_spec(), IntakeConfig::default());
    let cloud = wall(10);
    assert_eq!(intake.take_cloud(&cloud.message(&cloud.fields()), NOW).used, 0);
    assert!(intake.observation(NOW).is_none());
}

/// A task whose points, and cloud, come in any frame.
fn anywhere() -> TaskSpec {
    TaskSpec { points: Some(PointsSpec { frame: String::new(), ..spec() }), ..task_spec() }
}

#[test]
fn p31_where_any_frame_will_do_another_one_is_used_and_noticed() {
    let mut intake = Intake::new(&anywhere(), IntakeConfig::default());
    let mut take = |frame: &str, later: i64| {
        let cloud = Cloud { frame_id: frame.into(), stamp: at(NOW + later), ..wall(10) };
        let taken = intake.take_cloud(&cloud.message(&cloud.fields()), NOW + later);
        let frame = intake.observation(NOW + later).expect("observed").1.points_frame;
        (taken.used, causes(&taken), frame)
    };
    assert_eq!(take("camera", 0), (30, vec![], Some("camera".to_owned())));
    assert_eq!(take("camera", 1), (30, vec![], Some("camera".to_owned())));
    assert_eq!(take("map", 2), (30, vec![Cause::ChangedFrame], Some("map".to_owned())));
}

#[test]
fn p32_a_cloud_in_another_frame_than_points_beside_it_is_refused() {
    let mut intake = Intake::new(&anywhere(), IntakeConfig::default());
    let (named, cloud) = (Cloud::new(&[[1.0, 2.0, 3.0], [3.0, 5.0, 6.0]]), wall(10));
    let elsewhere = Cloud { frame_id: "camera".into(), ..wall(10) };
    intake.take_cloud(&elsewhere.message(&elsewhere.fields()), NOW);
    intake.take_points(&named.message(&named.fields()), NOW);
    // What came before the points is left out.
    let (obs, provenance) = intake.observation(NOW).expect("observed");
    assert_eq!((obs.points.expect("points").count(), provenance.points_frame), (6, Some("world".to_owned())));
    let later = Cloud { stamp: at(NOW + 1), ..elsewhere };
    let taken = intake.take_cloud(&later.message(&later.fields()), NOW + 1);
    assert_eq!(causes(&taken), [Cause::WrongFrame]);
    assert!(taken.refusals[0].text.contains("got a cloud in frame 'camera'; expected 'world', that of points"));
    let same = Cloud { stamp: at(NOW + 2), ..cloud };
    assert_eq!(intake.take_cloud(&same.message(&same.fields()), NOW + 2).used, 30);
    assert_eq!(intake.observation(NOW + 2).expect("observed").0.points.expect("points").count(), 36);
}
