//! Images and masks on their way in: kept on the ROS thread, decoded elsewhere, for a large one takes longer than a
//! spin may, and no lock is held meanwhile.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use thalweg_task::Masked;

use super::decode::{stamp_of, with_compressed, with_image};
use super::topic::Meter;
use super::{Inputs, lock};
use crate::core::Core;
use thalweg_node::intake::{Decoded, Frame, ImageReader, Input, Mask, Pair, Refusal, Taken};

impl Inputs {
    /// Keeps an image or a mask until it is decoded.
    pub(super) fn keep_frame(&self, core: &Core, input: Input, bytes: Vec<u8>) {
        if !self.time.is_known() {
            return;
        }
        let received_nanos = self.time.now_nanos();
        let checked = stamp_of(&bytes).and_then(|stamp| {
            if input == Input::Mask {
                // It takes no time, and no image should wait for a mask that cannot be used.
                with_image(&bytes, |mask| Mask::of(mask).map(drop))??;
            }
            Ok(stamp)
        });
        match checked {
            Ok(stamp) => {
                lock(&self.frames).push(Frame { input, stamp, received_nanos, bytes });
                self.bell.notify_one();
            }
            Err(refusal) => {
                if input == Input::Mask {
                    self.with_intake(|intake| intake.note_mask(false, received_nanos));
                }
                self.refuse(core, input, refusal);
            }
        }
        self.count_dropped(core);
    }

    /// Decodes what waits, until the input is closed.
    pub(super) fn decode_frames(self: &Arc<Self>, core: &Arc<Core>) {
        let (inputs, core) = (Arc::clone(self), Arc::clone(core));
        let decoding = self.tasks.spawn(async move {
            loop {
                inputs.bell.notified().await;
                let (busy, taker) = (Arc::clone(&inputs), Arc::clone(&core));
                let work = tokio::task::spawn_blocking(move || busy.decode_waiting(&taker));
                if let Err(error) = work.await
                    && error.is_panic()
                {
                    // Watched: the node ends rather than living on without images.
                    std::panic::resume_unwind(error.into_panic());
                }
            }
        });
        *lock(&self.decoding) = Some(decoding);
    }

    fn decode_waiting(&self, core: &Core) {
        loop {
            let pair = lock(&self.frames).next(self.time.now_nanos());
            self.count_dropped(core);
            let Some(pair) = pair else { return };
            self.decode_pair(core, &pair);
        }
    }

    fn decode_pair(&self, core: &Core, pair: &Pair) {
        let Some(reader) = self.with_intake(|intake| intake.image_reader()).flatten() else { return };
        let Pair { image, mask, epoch } = pair;
        let decoded = match mask {
            // Both were checked when they came.
            Some(mask) => with_image(&mask.bytes, |message| {
                let mask = Mask::of(message)?;
                read(&reader, image, Some(&mask))
            })
            .and_then(|read| read),
            None => read(&reader, image, None),
        };
        let now = image.received_nanos;
        let taken = match decoded {
            Err(refusal) => return self.refuse(core, image.input, refusal),
            // What was received before everything was forgotten is of no use.
            Ok(_) if lock(&self.frames).epoch() != *epoch => return,
            Ok((frame_id, decoded)) => self.with_intake(|intake| {
                let taken = intake.put_image(image.input, (image.stamp, &frame_id), decoded, now);
                if let Some(mask) = mask {
                    intake.note_mask(taken.used > 0, mask.received_nanos);
                }
                taken
            }),
        };
        let Some(taken) = taken else { return };
        if taken.used > 0 {
            core.solver.wake();
        }
        self.tell_of(core, image.input, &taken);
    }

    /// Notes how much of an image, `[1, C, H, W]`, is observed.
    pub(super) fn count_pixels(&self, image: Option<&Masked>) {
        let counts = image.map_or([0; 2], |image| {
            let (size, observed) = (image.value().size(), image.count());
            let channels = size.get(1).copied().unwrap_or(1).max(1);
            [observed / channels, size.iter().product::<i64>() / channels]
        });
        for (noted, count) in self.pixels.iter().zip(counts) {
            noted.store(usize::try_from(count).unwrap_or(0), Ordering::Relaxed);
        }
    }

    /// Counts images that were dropped for newer ones, and tells of those that found no mask.
    fn count_dropped(&self, core: &Core) {
        let (superseded, unmatched) = {
            let mut frames = lock(&self.frames);
            (frames.take_superseded(), frames.take_unmatched())
        };
        for (input, count) in superseded {
            self.skipped[input as usize].fetch_add(count, Ordering::Relaxed);
        }
        unmatched.into_iter().for_each(|(input, refusal)| self.refuse(core, input, refusal));
    }

    fn refuse(&self, core: &Core, input: Input, refusal: Refusal) {
        self.with_intake(|intake| intake.channel_mut(input).tally.add(&refusal));
        self.tell_of(core, input, &Taken { refusals: vec![refusal], ..Taken::default() });
    }

    fn tell_of(&self, core: &Core, input: Input, taken: &Taken) {
        if let Some(meter) = self.meter(input) {
            self.tell(core, input, taken, &meter);
        }
    }

    /// The notes of an input's traffic; none while it is closed.
    pub(super) fn meter(&self, input: Input) -> Option<Arc<Mutex<Meter>>> {
        let open = lock(&self.open);
        open.iter().find(|open| open.topic.input == input).map(|open| Arc::clone(&open.meter))
    }
}

/// The frame of an image, and what became of its pixels.
type Read = (String, Result<Decoded, Refusal>);

fn read(reader: &ImageReader, image: &Frame, mask: Option<&Mask<'_>>) -> Result<Read, Refusal> {
    match image.input {
        Input::Compressed => {
            with_compressed(&image.bytes, |image| (image.frame_id.to_owned(), reader.read_compressed(image, mask)))
        }
        _ => with_image(&image.bytes, |image| (image.frame_id.to_owned(), reader.read(image, mask))),
    }
}
