//! How many threads libtorch may use.

use std::panic::catch_unwind;
use std::sync::Once;

/// Limits libtorch to `count` threads, in this process.
///
/// To be called once, before the first solve. One is right for the engine: idle OpenMP threads
/// spin, and on a busy machine that cost 260 ms at the 99th percentile of a solve, while K rows
/// of a small model gain next to nothing from a second thread. It is also what makes results
/// reproducible to the bit: another count splits sums at other places.
pub fn pin_threads(count: u32) {
    static INTER_OP: Once = Once::new();
    let count = i32::try_from(count.max(1)).unwrap_or(i32::MAX);
    tch::set_num_threads(count);
    // libtorch accepts this number once only, and only before its first use.
    INTER_OP.call_once(|| {
        let refused =
            tch::get_num_interop_threads() != count && catch_unwind(|| tch::set_num_interop_threads(count)).is_err();
        if refused {
            tracing::debug!("libtorch's inter-op threads were already running; their number stays");
        }
    });
}
