//! Images that wait to be decoded, and the masks that they wait for.
//!
//! Without masks only the newest image waits. With them image and mask are paired by their stamps, as
//! message_filters' `ApproximateTime` does, but the pair that is nearest wins and what is older is dropped.

use crate::parameters::words;
use std::collections::VecDeque;
use std::time::Duration;

use super::channel::Input;
use super::refusal::{Cause, Refusal};
use super::stamp::Stamp;

/// Images that wait at most: a third of a second at 30 Hz, more than a segmentation takes.
const IMAGES: usize = 10;

/// Masks that wait at most: more, so that the one that was nearest can still be told.
const MASKS: usize = 2 * IMAGES;

/// Bytes of images or masks that wait at most; one of each may, whatever its size.
const BYTES: usize = 64 << 20;

/// Whether images wait for masks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MaskUse {
    /// As long as masks come.
    #[default]
    Auto,
    /// Always: an image without a mask is never used.
    Required,
    /// Never.
    Ignored,
}

words!(MaskUse { Auto = "auto", Required = "required", Ignored = "ignored" });

/// How images and masks find each other; parameters `input.*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pairing {
    /// Whether images wait for masks.
    pub masks: MaskUse,
    /// Greatest difference of their stamps.
    pub slop: Duration,
    /// How long an image waits; silence of masks after which images wait no more.
    pub patience: Duration,
}

impl Default for Pairing {
    fn default() -> Self {
        Self { masks: MaskUse::Auto, slop: Duration::from_millis(10), patience: Duration::from_secs(1) }
    }
}

/// A message that was received and not yet decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Image, compressed image or mask.
    pub input: Input,
    /// When it was exposed.
    pub stamp: Stamp,
    /// When it was received, nanoseconds.
    pub received_nanos: i64,
    /// The message, serialized.
    pub bytes: Vec<u8>,
}

impl Frame {
    /// Nanoseconds, whether or not it is a time.
    fn nanos(&self) -> i64 {
        i64::from(self.stamp.sec) * 1_000_000_000 + i64::from(self.stamp.nanosec)
    }

    /// When it was exposed, as far as that can be true: not after it came; when it came, where the stamp says nothing.
    fn moment(&self) -> i64 {
        if self.stamp.is_zero() { self.received_nanos } else { self.nanos().min(self.received_nanos) }
    }
}

/// What is to be decoded next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The image.
    pub image: Frame,
    /// Its mask, where there is one.
    pub mask: Option<Frame>,
    /// Which [`FrameQueue::epoch`] it is of.
    pub epoch: u64,
}

/// Images and masks in the order in which they came; bounded, whatever comes.
#[derive(Debug, Default)]
pub struct FrameQueue {
    pairing: Pairing,
    images: VecDeque<Frame>,
    masks: VecDeque<Frame>,
    /// When a mask came last, nanoseconds.
    last_mask: Option<i64>,
    /// The image that was handed out last.
    last: Option<(Input, Stamp)>,
    superseded: Vec<(Input, u64)>,
    unmatched: Vec<(Input, Refusal)>,
    epoch: u64,
}

impl FrameQueue {
    /// Changes how images and masks find each other.
    pub fn configure(&mut self, pairing: Pairing) {
        self.pairing = pairing;
    }

    /// Forgets everything that waits, as after a jump of the clock.
    pub fn clear(&mut self) {
        (self.last_mask, self.last) = (None, None);
        self.images.clear();
        self.masks.clear();
        self.epoch += 1;
    }

    /// Rises when everything is forgotten: what was handed out before is of no use any more.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Takes an image or a mask; drops the oldest where too many wait, which may be the one that comes.
    pub fn push(&mut self, frame: Frame) {
        let now = frame.received_nanos;
        if frame.input == Input::Mask {
            self.last_mask = Some(now);
            self.masks.push_back(frame);
            bound(&mut self.masks, MASKS);
            return;
        }
        // Both transports of one camera: the second of a frame tells nothing new.
        if self.last.is_some_and(|(input, stamp)| input != frame.input && stamp == frame.stamp && !stamp.is_zero()) {
            self.supersede(&[frame.input]);
            return;
        }
        self.images.push_back(frame);
        if self.waits(now) {
            let dropped = bound(&mut self.images, IMAGES);
            self.refuse(&dropped);
        } else {
            // Not the one that came last: topics overtake each other, and what is older must not cost what is newer.
            let newest = (0..self.images.len()).max_by_key(|place| self.images[*place].moment());
            let newest = newest.and_then(|place| self.images.remove(place));
            let dropped: Vec<_> = self.images.drain(..).map(|image| image.input).collect();
            self.images.extend(newest);
            self.supersede(&dropped);
        }
    }

    /// What is to be decoded next, if anything: the newest image, or the image and the mask that are nearest.
    pub fn next(&mut self, now_nanos: i64) -> Option<Pair> {
        let (place, mask) = if self.waits(now_nanos) {
            self.give_up(now_nanos);
            let (image, mask) = self.nearest()?;
            (image, Some(mask))
        } else {
            (self.images.len().checked_sub(1)?, None)
        };
        let image = self.images.remove(place)?;
        let older: Vec<_> = self.images.drain(..place).map(|image| image.input).collect();
        self.supersede(&older);
        let mask = mask.and_then(|place| {
            let mask = self.masks.remove(place);
            self.masks.drain(..place);
            mask
        });
        self.last = Some((image.input, image.stamp));
        Some(Pair { image, mask, epoch: self.epoch })
    }

    /// How many images were dropped for newer ones since the last call, by input.
    pub fn take_superseded(&mut self) -> Vec<(Input, u64)> {
        std::mem::take(&mut self.superseded)
    }

    /// Images that found no mask since the last call, by input.
    pub fn take_unmatched(&mut self) -> Vec<(Input, Refusal)> {
        std::mem::take(&mut self.unmatched)
    }

    fn supersede(&mut self, inputs: &[Input]) {
        for input in inputs {
            match self.superseded.iter_mut().find(|(known, _)| known == input) {
                Some((_, count)) => *count += 1,
                None => self.superseded.push((*input, 1)),
            }
        }
    }

    /// Whether images wait for masks now.
    fn waits(&self, now: i64) -> bool {
        match self.pairing.masks {
            MaskUse::Required => true,
            MaskUse::Ignored => false,
            MaskUse::Auto => self.last_mask.is_some_and(|last| !is_longer(last, now, self.pairing.patience)),
        }
    }

    /// Drops the images that have waited too long.
    fn give_up(&mut self, now: i64) {
        let patience = self.pairing.patience;
        let is_late = |image: &&Frame| is_longer(image.received_nanos, now, patience);
        let count = self.images.iter().take_while(is_late).count();
        let dropped: Vec<_> = self.images.drain(..count).collect();
        self.refuse(&dropped);
    }

    fn refuse(&mut self, dropped: &[Frame]) {
        for image in dropped {
            let apart = |mask: &&Frame| mask.nanos().abs_diff(image.nanos());
            let limit = self.pairing.slop.as_secs_f64();
            let text = match self.masks.iter().min_by_key(apart) {
                Some(mask) => format!(
                    "got an image of {:.3} s, the nearest mask is of {:.3} s, {:.3} s apart; expected at most {limit} s \
                     (input.sync_slop)",
                    seconds(image),
                    seconds(mask),
                    apart(&mask) as f64 * 1e-9
                ),
                None => format!(
                    "got an image of {:.3} s and no mask; expected one at most {limit} s apart (input.mask)",
                    seconds(image)
                ),
            };
            self.unmatched.push((image.input, Refusal::new(Cause::Unmatched, text)));
        }
    }

    /// Places of the image and the mask whose stamps are nearest, the newest image first.
    fn nearest(&self) -> Option<(usize, usize)> {
        let images = self.images.iter().enumerate().rev();
        let pairs = images.flat_map(|(place, image)| {
            let masks = self.masks.iter().enumerate();
            masks.map(move |(mask_place, mask)| (mask.nanos().abs_diff(image.nanos()), place, mask_place))
        });
        let (apart, image, mask) = pairs.min_by_key(|(apart, ..)| *apart)?;
        (u128::from(apart) <= self.pairing.slop.as_nanos()).then_some((image, mask))
    }
}

fn seconds(frame: &Frame) -> f64 {
    frame.nanos() as f64 * 1e-9
}

fn is_longer(since: i64, now: i64, limit: Duration) -> bool {
    u128::from(since.abs_diff(now)) > limit.as_nanos()
}

/// Drops the oldest until few enough are left; one always stays.
fn bound(frames: &mut VecDeque<Frame>, most: usize) -> Vec<Frame> {
    let mut dropped = Vec::new();
    let bytes = |frames: &VecDeque<Frame>| frames.iter().map(|frame| frame.bytes.len()).sum::<usize>();
    while frames.len() > most || (frames.len() > 1 && bytes(frames) > BYTES) {
        dropped.extend(frames.pop_front());
    }
    dropped
}
