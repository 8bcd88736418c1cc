//! Images and masks on their way in: kept on the ROS thread, decoded elsewhere, for a large one takes longer than a
//! spin may, and no lock is held meanwhile.

use std::sync::{Arc, Mutex};

use super::Inputs;
use super::topic::Meter;
use thalweg_node::intake::wire::{stamp_of, with_compressed, with_image};
use thalweg_node::intake::{Decoded, Frame, ImageReader, Input, Mask, Pair, Refusal, Taken};
use thalweg_task::lock;

impl Inputs {
    /// Keeps an image or a mask until it is decoded.
    pub(super) fn keep_frame(&self, input: Input, bytes: Vec<u8>) {
        if !self.node.time.is_known() {
            return;
        }
        let received_nanos = self.node.time.now_nanos();
        let checked = stamp_of(&bytes).and_then(|stamp| {
            if input == Input::Mask {
                // It takes no time, and no image should wait for a mask that cannot be used.
                with_image(&bytes, |mask| Mask::of(mask).map(drop))??;
            }
            Ok(stamp)
        });
        match checked {
            Ok(stamp) => {
                lock(&self.buffer.frames).push(Frame { input, stamp, received_nanos, bytes });
                self.bell.notify_one();
            }
            Err(refusal) => {
                if input == Input::Mask {
                    self.buffer.with_intake(|intake| intake.note_mask(false, received_nanos));
                }
                self.refuse(input, refusal);
            }
        }
        self.count_dropped();
    }

    /// Decodes what waits, until the input is closed.
    pub(super) fn decode_frames(self: &Arc<Self>) {
        let inputs = Arc::clone(self);
        let decoding = self.node.tasks.spawn(async move {
            loop {
                inputs.bell.notified().await;
                let busy = Arc::clone(&inputs);
                let work = tokio::task::spawn_blocking(move || busy.decode_waiting());
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

    fn decode_waiting(&self) {
        loop {
            let pair = lock(&self.buffer.frames).next(self.node.time.now_nanos());
            self.count_dropped();
            let Some(pair) = pair else { return };
            self.decode_pair(&pair);
        }
    }

    fn decode_pair(&self, pair: &Pair) {
        let Some(reader) = self.buffer.with_intake(|intake| intake.image_reader()).flatten() else { return };
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
            Err(refusal) => return self.refuse(image.input, refusal),
            // What was received before everything was forgotten is of no use.
            Ok(_) if lock(&self.buffer.frames).epoch() != *epoch => return,
            Ok((frame_id, decoded)) => self.buffer.with_intake(|intake| {
                let taken = intake.put_image(image.input, (image.stamp, &frame_id), decoded, now);
                if let Some(mask) = mask {
                    intake.note_mask(taken.used > 0, mask.received_nanos);
                }
                taken
            }),
        };
        let Some(taken) = taken else { return };
        if taken.used > 0 {
            self.node.solver.wake();
        }
        self.tell_of(image.input, &taken);
    }

    /// Counts images that were dropped for newer ones, and tells of those that found no mask.
    fn count_dropped(&self) {
        let (superseded, unmatched) = {
            let mut frames = lock(&self.buffer.frames);
            (frames.take_superseded(), frames.take_unmatched())
        };
        for (input, count) in superseded {
            self.buffer.count_skipped(input, count);
        }
        unmatched.into_iter().for_each(|(input, refusal)| self.refuse(input, refusal));
    }

    fn refuse(&self, input: Input, refusal: Refusal) {
        self.buffer.with_intake(|intake| intake.channel_mut(input).tally.add(&refusal));
        self.tell_of(input, &Taken { refusals: vec![refusal], ..Taken::default() });
    }

    fn tell_of(&self, input: Input, taken: &Taken) {
        if let Some(meter) = self.meter(input) {
            self.tell(input, taken, &meter);
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
