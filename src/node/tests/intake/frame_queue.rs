//! Row I13, and the newest image: which image is decoded next, and with which mask.

use std::time::Duration;

use proptest::prelude::*;
use thalweg_node::intake::{Cause, Frame, FrameQueue, Input, MaskUse, Pairing};

use crate::messages::{NOW, SECOND, at};

const MS: i64 = 1_000_000;

fn frame(input: Input, stamp: i64, received_nanos: i64) -> Frame {
    Frame { input, stamp: at(stamp), received_nanos, bytes: vec![0; 4] }
}

fn queue(masks: MaskUse) -> FrameQueue {
    let mut queue = FrameQueue::default();
    queue.configure(Pairing { masks, ..Pairing::default() });
    queue
}

/// Stamps of what comes next, milliseconds after [`NOW`].
fn next(queue: &mut FrameQueue, now: i64) -> Option<(i64, Option<i64>)> {
    let pair = queue.next(now)?;
    let millis = |frame: &Frame| (frame.stamp.nanos().expect("a time") - NOW) / MS;
    Some((millis(&pair.image), pair.mask.as_ref().map(millis)))
}

#[test]
fn without_masks_the_newest_image_wins() {
    let mut queue = queue(MaskUse::Auto);
    assert_eq!(next(&mut queue, NOW), None);
    for step in 0..5 {
        queue.push(frame(Input::Image, NOW + step * MS, NOW));
    }
    assert_eq!(next(&mut queue, NOW), Some((4, None)));
    assert_eq!(queue.take_superseded(), [(Input::Image, 4)]);
    assert_eq!((next(&mut queue, NOW), queue.take_superseded(), queue.take_unmatched()), (None, vec![], vec![]));
}

#[test]
fn an_older_image_that_comes_later_costs_no_newer_one() {
    let mut queue = queue(MaskUse::Auto);
    queue.push(frame(Input::Image, NOW - MS, NOW));
    queue.push(frame(Input::Compressed, NOW - 2 * MS, NOW + MS));
    assert_eq!(next(&mut queue, NOW), Some((-1, None)));
    assert_eq!((next(&mut queue, NOW), queue.take_superseded()), (None, vec![(Input::Compressed, 1)]));
    // A stamp from the future is no reason to drop what comes after it.
    queue.push(frame(Input::Image, NOW + SECOND, NOW));
    queue.push(frame(Input::Image, NOW + MS, NOW + 2 * MS));
    assert_eq!(next(&mut queue, NOW), Some((1, None)));
    assert_eq!(queue.take_superseded(), [(Input::Image, 1)]);
}

#[test]
fn one_frame_over_two_transports_is_decoded_once() {
    let mut queue = queue(MaskUse::Auto);
    queue.push(frame(Input::Image, NOW, NOW));
    assert_eq!(next(&mut queue, NOW), Some((0, None)));
    queue.push(frame(Input::Compressed, NOW, NOW));
    assert_eq!((next(&mut queue, NOW), queue.take_superseded()), (None, vec![(Input::Compressed, 1)]));
    queue.push(frame(Input::Compressed, NOW + MS, NOW));
    assert_eq!(next(&mut queue, NOW), Some((1, None)));
}

#[test]
fn masks_that_come_late_find_their_image() {
    let mut queue = queue(MaskUse::Required);
    for step in 0..4 {
        queue.push(frame(Input::Image, NOW + step * 5 * MS, NOW));
    }
    assert_eq!(next(&mut queue, NOW), None);
    queue.push(frame(Input::Mask, NOW + 5 * MS, NOW));
    assert_eq!(next(&mut queue, NOW), Some((5, Some(5))), "the nearest one, though newer ones are near enough");
    assert_eq!(queue.take_superseded(), [(Input::Image, 1)]);
    queue.push(frame(Input::Mask, NOW + 16 * MS, NOW));
    assert_eq!(next(&mut queue, NOW), Some((15, Some(16))));
    assert_eq!((next(&mut queue, NOW), queue.take_unmatched()), (None, vec![]));
}

#[test]
fn images_wait_while_masks_come_and_no_longer() {
    let mut queue = queue(MaskUse::Auto);
    queue.push(frame(Input::Image, NOW, NOW));
    assert_eq!(next(&mut queue, NOW), Some((0, None)), "no mask has come yet");
    queue.push(frame(Input::Mask, NOW, NOW));
    queue.push(frame(Input::Image, NOW + 100 * MS, NOW + 100 * MS));
    assert_eq!(next(&mut queue, NOW + 100 * MS), None);
    queue.push(frame(Input::Image, NOW + 2 * SECOND, NOW + 2 * SECOND));
    assert_eq!(next(&mut queue, NOW + 2 * SECOND), Some((2000, None)), "masks have ended");
    let mut ignored = self::queue(MaskUse::Ignored);
    ignored.push(frame(Input::Mask, NOW, NOW));
    ignored.push(frame(Input::Image, NOW, NOW));
    assert_eq!(next(&mut ignored, NOW), Some((0, None)));
}

#[test]
fn i13_stamps_that_never_match_are_told_with_both() {
    let mut queue = queue(MaskUse::Auto);
    for step in 0..30 {
        let now = NOW + step * 100 * MS;
        queue.push(frame(Input::Mask, now - 20 * MS, now));
        queue.push(frame(Input::Image, now, now));
        assert_eq!(next(&mut queue, now), None);
    }
    let unmatched = queue.take_unmatched();
    assert_eq!(unmatched.len(), 20, "ten still wait");
    let (input, refusal) = &unmatched[0];
    assert_eq!((*input, refusal.cause), (Input::Image, Cause::Unmatched));
    let seconds = NOW / SECOND;
    assert!(refusal.text.contains(&format!("got an image of {seconds}.000 s")), "{refusal}");
    assert!(refusal.text.contains("0.020 s apart; expected at most 0.01 s (input.sync_slop)"), "{refusal}");
}

#[test]
fn i13_a_mask_that_never_comes_is_told() {
    let mut queue = queue(MaskUse::Required);
    queue.push(frame(Input::Image, NOW, NOW));
    assert_eq!((next(&mut queue, NOW + SECOND), queue.take_unmatched()), (None, vec![]));
    assert_eq!(next(&mut queue, NOW + SECOND + 1), None);
    let unmatched = queue.take_unmatched();
    assert!(unmatched[0].1.text.contains("no mask"), "{unmatched:?}");
}

#[test]
fn large_frames_are_bounded_by_bytes() {
    let mut queue = queue(MaskUse::Required);
    for step in 0..5 {
        queue.push(Frame { bytes: vec![0; 40 << 20], ..frame(Input::Image, NOW + step, NOW) });
    }
    assert_eq!(queue.take_unmatched().len(), 4, "one stays, however large");
}

#[test]
fn what_is_forgotten_does_not_come_back() {
    let mut queue = queue(MaskUse::Auto);
    queue.push(frame(Input::Image, NOW, NOW));
    let epoch = queue.next(NOW).expect("an image").epoch;
    queue.push(frame(Input::Image, NOW + MS, NOW));
    queue.clear();
    assert_eq!(next(&mut queue, NOW), None);
    assert_ne!(queue.epoch(), epoch);
}

proptest! {
    #[test]
    fn pairs_are_near_newer_each_time_and_nothing_is_lost_uncounted(
        frames in prop::collection::vec((0..3_usize, 0..200_i64, 0..40_i64), 1..120), use_of in 0..3_usize,
    ) {
        let masks = [MaskUse::Auto, MaskUse::Required, MaskUse::Ignored][use_of];
        let mut queue = queue(masks);
        let (mut now, mut images, mut handed, mut last) = (NOW, 0, 0, None);
        for (kind, stamp, wait) in frames {
            now += wait * 10 * MS;
            let input = [Input::Image, Input::Compressed, Input::Mask][kind];
            images += u64::from(input != Input::Mask);
            let received = now + images as i64;
            queue.push(frame(input, NOW + stamp * MS, received));
            while let Some(pair) = queue.next(received) {
                handed += 1;
                prop_assert!(last < Some(pair.image.received_nanos));
                last = Some(pair.image.received_nanos);
                prop_assert!(masks != MaskUse::Required || pair.mask.is_some());
                if let Some(mask) = pair.mask {
                    let apart = mask.stamp.nanos().unwrap().abs_diff(pair.image.stamp.nanos().unwrap());
                    prop_assert!(Duration::from_nanos(apart) <= Pairing::default().slop);
                }
            }
        }
        let superseded: u64 = queue.take_superseded().iter().map(|(_, count)| count).sum();
        let accounted = handed + superseded + queue.take_unmatched().len() as u64;
        prop_assert!(accounted <= images && images - accounted <= 10, "{accounted} of {images}");
    }
}
