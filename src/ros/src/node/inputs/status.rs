//! How inputs fare, for diagnostics.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use thalweg_node::diagnostics::{Level, Status};
use thalweg_node::intake::{Input, MaskUse};
use thalweg_task::lock;

use super::{Inputs, Topic};

impl Inputs {
    /// How a topic fares.
    pub(crate) fn status(&self, topic: &Topic, publishers: usize) -> Status {
        let now = Instant::now();
        let name = format!("Input {}", topic.input.topic());
        let stale_timeout = self.buffer.stale_timeout();
        let is_spare = self.is_spare(topic.input, publishers, stale_timeout, now);
        let open = lock(&self.open);
        let Some(open) = open.iter().find(|open| open.topic.input == topic.input) else {
            return Status::ok(name, "Closed");
        };
        let mut meter = lock(&open.meter);
        let mut status = Status::ok(name, "Timestamps are reasonable.");
        match meter.age(now) {
            None if is_spare => status = Status::ok(status.name, "Not used."),
            None => status.worsen(Level::Error, "No events recorded."),
            Some(age) if age > stale_timeout && !is_spare => status.worsen(Level::Stale, "No data since last update."),
            Some(_) => {}
        }
        let age = meter.age(now).map_or_else(|| "never".to_owned(), |age| format!("{:.3}", age.as_secs_f64()));
        status = meter.report(now, status).with("Age (s)", age).with("Publishers", publishers);
        drop(meter);
        let status = self.buffer.add_to(topic.input, status);
        status.with("Subscriptions made anew", self.revivals.load(Ordering::Relaxed))
    }

    /// Whether the node does well without an input: a mask that need not be, and the transport of images that is not
    /// used while the other one is. Where no image comes at all it is the raw topic that complains.
    fn is_spare(&self, input: Input, publishers: usize, stale: Duration, now: Instant) -> bool {
        let age = |input| self.meter(input).map(|meter| lock(&meter).age(now));
        match input {
            Input::Joints | Input::Points | Input::Cloud => false,
            // What was said once holds.
            Input::Camera => age(Input::Camera).flatten().is_some(),
            Input::Mask => {
                let masks = self.buffer.masks();
                masks == MaskUse::Ignored || (masks == MaskUse::Auto && publishers == 0)
            }
            Input::Image => age(Input::Compressed).flatten().is_some_and(|age| age <= stale),
            Input::Compressed => age(Input::Image).is_some(),
        }
    }
}
