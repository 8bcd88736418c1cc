//! The cost of a buffer on more ranks than there are here: a model, from what was measured.

use super::meter::Reading;

/// Ranks for which the model is told.
const RANKS: [usize; 3] = [4, 8, 64];

/// Seconds that a rank computes in the two parts of a buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    /// Descents.
    pub(super) collection: f64,
    /// All updates.
    pub(super) update: f64,
}

/// Seconds of an all-reduce between two ranks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange {
    /// Of one number.
    pub(super) small: f64,
    /// Of gradients and loss.
    pub(super) large: f64,
}

/// Every part has some work that all ranks do and some that they share; gradients go around a ring (Patarasuk & Yuan,
/// 2009), in `2 (W - 1)` messages of `1 / W` of their bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Model {
    one: Measured,
    two: Measured,
    exchange: Exchange,
    reading: Reading,
}

/// Splits seconds on one and on two ranks into what all do and what is shared.
fn split(one: f64, two: f64) -> (f64, f64) {
    let shared = (2.0 * (one - two)).clamp(0.0, one);
    (one - shared, shared)
}

impl Model {
    pub(super) fn of(one: Measured, two: Measured, exchange: Exchange, reading: Reading) -> Self {
        Self { one, two, exchange, reading }
    }

    /// Seconds of one message of no length, and of a byte.
    fn rates(&self) -> (f64, f64) {
        let Exchange { small, large } = self.exchange;
        // Between two: two messages, and as many bytes as the tensor has.
        (small / 2.0, (large - small).max(0.0) / self.reading.largest.max(1) as f64)
    }

    /// Seconds of one all-reduce of the gradients on a ring.
    fn all_reduce(&self, ranks: usize) -> f64 {
        let (message, byte) = self.rates();
        let (ranks, bytes) = (ranks as f64, self.reading.largest as f64);
        2.0 * (ranks - 1.0) * message + 2.0 * (ranks - 1.0) / ranks * bytes * byte
    }

    /// Seconds of collection and update.
    pub(super) fn predicted(&self, ranks: usize) -> (f64, f64) {
        let (message, byte) = self.rates();
        let count = ranks as f64;
        // Each rank gets the points of all others: as many bytes whatever their number.
        let points = |ranks: f64| (ranks - 1.0) * message + 2.0 * self.reading.gathered * (ranks - 1.0) / ranks * byte;
        let (all, shared) = split(self.one.collection, self.two.collection);
        let collection = all + shared / count + points(count);
        let exchanged = self.reading.updates * self.all_reduce(ranks);
        let (all, shared) = split(self.one.update, self.two.update);
        (collection, all + shared / count + exchanged)
    }

    /// All as Markdown.
    pub(super) fn table(&self, task: &str, buffers: u32) -> String {
        let Reading { summed, gathered, largest, updates } = self.reading;
        let (message, byte) = self.rates();
        let mut text = format!(
            "{task}, medians of {buffers} buffers, one thread a rank\n\n\
             | ranks | collection, s | update, s | buffer, s | of one rank's speed | |\n|---|---|---|---|---|---|\n"
        );
        let whole = self.one.collection + self.one.update;
        let mut row = |ranks: usize, collection: f64, update: f64, how: &str| {
            let sum = collection + update;
            text += &format!("| {ranks} | {collection:.3} | {update:.3} | {sum:.3} | {:.2} | {how} |\n", whole / sum);
        };
        for (ranks, how) in [(1, "measured"), (2, "measured: computing and exchanging, each alone")] {
            let (collection, update) = self.predicted(ranks);
            row(ranks, collection, update, how);
        }
        for ranks in RANKS {
            let (collection, update) = self.predicted(ranks);
            row(ranks, collection, update, "model");
        }
        text += &format!(
            "\nOn two ranks: {updates:.0} updates a buffer, {:.2} MB summed in each; {:.1} MB summed and {:.1} MB of points \
             sent by each rank in a buffer.\n\
             An all-reduce of these gradients takes {:.2} ms, of one number {:.3} ms: {:.1} us a message and {:.2} GB/s on \
             loopback.\n\
             Model: each part is what all ranks compute, what they share, fitted to one and two ranks, and what they \
             exchange; gradients go around a ring, and nothing overlaps. A core for each rank and loopback's speed \
             between all of them are assumed.\n",
            largest as f64 / 1e6,
            summed / 1e6,
            gathered / 1e6,
            self.exchange.large * 1e3,
            self.exchange.small * 1e3,
            message * 1e6,
            1e-9 / byte.max(1e-15),
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was computed and exchanged is what the model says for it, and nothing is shared for ever.
    #[test]
    fn the_model_goes_through_what_was_measured() {
        let one = Measured { collection: 2.0, update: 4.0 };
        let two = Measured { collection: 1.2, update: 2.8 };
        let reading = Reading { summed: 1e7, gathered: 5e6, largest: 1_000_000, updates: 10.0 };
        let model = Model::of(one, two, Exchange { small: 1e-4, large: 2e-3 }, reading);
        let near = |(collection, update): (f64, f64), expected: Measured| {
            (collection - expected.collection).abs() < 1e-9 && (update - expected.update).abs() < 1e-9
        };
        assert!(near(model.predicted(1), one), "{:?}", model.predicted(1));
        let points = 1e-4 / 2.0 + 5e6 * (2e-3 - 1e-4) / 1e6;
        let with_exchange = Measured { collection: 1.2 + points, update: 2.8 + 10.0 * 2e-3 };
        assert!(near(model.predicted(2), with_exchange), "{:?}", model.predicted(2));
        assert!((model.all_reduce(2) - 2e-3).abs() < 1e-9);
        let (many, more) = (model.predicted(64), model.predicted(4096));
        assert!(many.1 < two.update && more.1 > many.1, "messages cost more than they save: {many:?} {more:?}");
    }

    #[test]
    fn a_part_that_two_ranks_do_not_make_shorter_is_not_shared() {
        assert_eq!(split(1.0, 1.3), (1.0, 0.0));
        assert_eq!(split(1.0, 0.5), (0.0, 1.0));
        assert_eq!(split(1.0, 0.4), (0.0, 1.0), "twice as fast is the most");
    }
}
