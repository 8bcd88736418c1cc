//! What the engine's thread costs, for benches of streams.

use std::path::{Path, PathBuf};

/// The folder of the engine's thread; the newest one, where an earlier one is just ending.
pub(crate) fn engine_thread() -> PathBuf {
    let threads = std::fs::read_dir("/proc/self/task").expect("this is Linux").flatten().map(|entry| entry.path());
    let is_engine =
        |folder: &PathBuf| std::fs::read_to_string(folder.join("comm")).is_ok_and(|name| name.trim_end() == "engine");
    let number = |folder: &PathBuf| folder.file_name().and_then(|name| name.to_str()?.parse::<u64>().ok());
    threads.filter(is_engine).max_by_key(number).expect("it lives")
}

/// Time that a thread was on a processor, milliseconds; not a number where the kernel does not say.
pub(crate) fn on_processor(thread: &Path) -> f64 {
    let text = std::fs::read_to_string(thread.join("schedstat")).unwrap_or_default();
    text.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok()).map_or(f64::NAN, |nanos| nanos / 1e6)
}

/// Median, and what one in a hundred exceeds.
pub(crate) fn quantiles(values: &mut [f64]) -> [f64; 2] {
    values.sort_by(f64::total_cmp);
    [0.5, 0.99].map(|share| values[((values.len() - 1) as f64 * share) as usize])
}
