//! What a repair costs.

use rustix::time::{ClockId, clock_gettime};
use tch::Tensor;

use super::attacked::SHOWN;
use super::cells::Cost;
use super::world::Defended;
use crate::defence::repair::{Repair, Through};

/// Images at once: one, as a node has them, and eight.
const BATCHES: [i64; 2] = [1, 8];
/// Repetitions, of which the median counts, after one that does not.
const TIMES: usize = 15;

/// Milliseconds that this process has computed: what else the machine does must not count.
fn computed_ms() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 * 1e-6
}

fn median_ms(mut work: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    work()?;
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let start = computed_ms();
        work()?;
        times.push(computed_ms() - start);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[TIMES / 2])
}

/// Measures a classifier with and without its repair.
pub(super) fn measure(defended: &Defended, repair: &Repair<'_>, images: &Tensor) -> anyhow::Result<Vec<Cost>> {
    let mut costs = Vec::new();
    for batch in BATCHES.map(|batch| batch.min(images.size()[0])) {
        let image = images.narrow(0, 0, batch);
        let none = median_ms(|| {
            drop(tch::no_grad(|| defended.plain.backbone.forward(&image))?);
            Ok(())
        })?;
        let mut repaired = Vec::new();
        for steps in SHOWN {
            repaired.push(median_ms(|| {
                drop(repair.logits(&image, &[steps], Through::Identity)?);
                Ok(())
            })?);
        }
        costs.push(Cost { defence: defended.name.clone(), batch, none, repaired });
    }
    Ok(costs)
}
