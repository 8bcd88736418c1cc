//! The three inputs together: what becomes an observation, and what is counted.

use thalweg_node::intake::{Cause, Input, Intake, IntakeConfig};
use thalweg_task::Kinds;

use crate::messages::{Cloud, Joints, NOW, Picture, SECOND, at, causes, task_spec};

fn intake() -> Intake {
    Intake::new(&task_spec(), IntakeConfig::default())
}

fn joints() -> Joints {
    Joints::new(&["hip", "lift"], &[0.1, 0.3])
}

fn picture() -> Picture {
    Picture::new("mono8", 8, 8, &[51; 64])
}

fn cloud() -> Cloud {
    Cloud::new(&[[1.0, 2.0, 3.0], [f32::NAN, 5.0, 6.0]])
}

#[test]
fn everything_that_came_is_observed() {
    let mut intake = intake();
    assert_eq!(intake.take_points(&cloud().message(&cloud().fields()), NOW - 9).used, 3);
    assert_eq!(intake.take_image(&picture().message(), NOW - 5).used, 16);
    assert_eq!(intake.take_joints(&joints().message(), NOW).used, 2);
    let (obs, provenance) = intake.observation(NOW).expect("observed");
    obs.validate(&task_spec()).expect("fits the task");
    assert_eq!((obs.stamp_nanos, obs.observed()), (NOW, 3 + 16 + 2));
    assert_eq!(provenance.observed_joints, [true, false, true]);
    assert_eq!((provenance.stamp_nanos, provenance.frame_id.as_str()), (NOW, "base"));
    assert_eq!((provenance.received_nanos, provenance.oldest_nanos), (NOW, NOW - 9));
}

#[test]
fn parts_fall_out_by_age_and_then_nothing_is_observed() {
    let mut intake = intake();
    assert!(intake.observation(NOW).is_none());
    intake.take_joints(&joints().message(), NOW);
    intake.take_image(&picture().message(), NOW);
    let (obs, provenance) = intake.observation(NOW + SECOND).expect("the image holds");
    assert!(obs.joints.is_none() && obs.image.is_some());
    assert_eq!((provenance.frame_id.as_str(), provenance.observed_joints), ("camera", vec![false; 3]));
    assert_eq!(intake.channel(Input::Joints).tally.total(Cause::StaleJoint), 1);
    assert!(intake.observation(NOW + SECOND + 1).is_none());
    assert!(intake.observation(NOW).is_none(), "what fell out stays out");
}

#[test]
fn older_images_and_clouds_do_not_replace_newer_ones() {
    let mut intake = intake();
    let (mut late, mut behind) = (picture(), cloud());
    (late.stamp, behind.stamp) = (at(NOW - 1), at(NOW - 1));
    intake.take_image(&picture().message(), NOW);
    intake.take_points(&cloud().message(&cloud().fields()), NOW);
    assert_eq!(causes(&intake.take_image(&late.message(), NOW)), [Cause::OutOfOrder]);
    assert_eq!(causes(&intake.take_points(&behind.message(&behind.fields()), NOW)), [Cause::OutOfOrder]);
    intake.clear();
    assert!(intake.observation(NOW).is_none());
    assert_eq!(intake.take_image(&late.message(), NOW).used, 16);
    assert_eq!(intake.take_points(&behind.message(&behind.fields()), NOW).used, 3);
}

#[test]
fn an_empty_cloud_and_a_blind_image_end_what_was_observed() {
    let mut intake = intake();
    intake.take_points(&cloud().message(&cloud().fields()), NOW);
    intake.take_image(&picture().message(), NOW);
    let mut empty = Cloud::new(&[]);
    empty.fields.clear();
    let taken = intake.take_points(&empty.message(&[]), NOW);
    assert!(taken.is_heartbeat && taken.refusals.is_empty());
    let blind = Picture::new("32FC1", 1, 1, &f32::NAN.to_le_bytes());
    let taken = intake.take_image(&blind.message(), NOW);
    assert_eq!((taken.used, causes(&taken)), (0, vec![Cause::NothingSeen]));
    assert!(intake.observation(NOW).is_none());
}

#[test]
fn a_refused_message_leaves_the_one_before() {
    let mut intake = intake();
    intake.take_image(&picture().message(), NOW);
    intake.take_points(&cloud().message(&cloud().fields()), NOW);
    let mut broken = picture();
    (broken.step, broken.stamp) = (1, at(NOW + 5));
    assert_eq!(causes(&intake.take_image(&broken.message(), NOW)), [Cause::BadStep]);
    let one = Cloud::new(&[[1.0; 3]]);
    assert_eq!(causes(&intake.take_points(&one.message(&one.fields()), NOW)), [Cause::WrongCount]);
    assert_eq!(intake.observation(NOW).expect("still observed").0.observed(), 16 + 3);
    assert_eq!(intake.take_image(&picture().message(), NOW).used, 16, "a refused stamp counts for nothing");
}

#[test]
fn messages_and_refusals_are_counted_by_input() {
    let mut intake = intake();
    intake.take_joints(&joints().message(), NOW);
    intake.take_joints(&Joints::new(&["hip"], &[]).message(), NOW);
    intake.take_joints(&Joints::new(&[], &[]).message(), NOW + 7);
    let channel = intake.channel(Input::Joints);
    assert_eq!((channel.seen, channel.used, channel.last_nanos), (3, 1, Some(NOW + 7)));
    assert_eq!(intake.revision(), 1);
    let since = intake.channel_mut(Input::Joints).tally.since_last();
    assert_eq!(since.counts, [(Cause::NoPositions, 1)]);
    assert_eq!(intake.channel(Input::Image).seen, 0);
}

#[test]
fn what_a_task_does_not_observe_is_ignored() {
    let mut spec = task_spec();
    (spec.reads_joints, spec.image, spec.points) = (false, None, None);
    let mut intake = Intake::new(&spec, IntakeConfig::default());
    assert_eq!(intake.kinds(), Kinds::default());
    intake.take_joints(&joints().message(), NOW);
    intake.take_image(&picture().message(), NOW);
    intake.take_points(&cloud().message(&cloud().fields()), NOW);
    assert!(intake.observation(NOW).is_none());
}
