//! What the process takes of its machine.

use super::status::{Level, Status};

/// Threads beyond which a warning is due. A guess: a node has about 30, and one for each CPU that it is given.
const MOST_THREADS: u64 = 256;

/// Memory and threads of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Resident memory, bytes.
    pub memory: u64,
    /// Greatest resident memory so far, bytes.
    pub peak: u64,
    /// Threads.
    pub threads: u64,
}

impl Footprint {
    /// Reads it from `/proc/self/status`; none where that is not there.
    #[must_use]
    pub fn read() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/self/status").ok()?)
    }

    /// Lines `NAME: NUMBER [kB]`.
    fn parse(text: &str) -> Option<Self> {
        let number = |name: &str| -> Option<u64> {
            let rest = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            rest.split_whitespace().next()?.parse().ok()
        };
        let bytes = |name: &str| number(name)?.checked_mul(1024);
        Some(Self { memory: bytes("VmRSS")?, peak: bytes("VmHWM")?, threads: number("Threads")? })
    }

    /// Says whether it is more than `limit` bytes of memory, or an odd number of threads.
    #[must_use]
    pub fn status(&self, limit: u64) -> Status {
        let Self { memory, peak, threads } = self;
        let mib = |bytes: u64| bytes >> 20;
        let mut status = Status::ok("Process", "Alive");
        if *memory > limit {
            let text = format!(
                "resident memory is {} MiB, memory.limit is {} MiB; where it keeps growing, the task leaks: start the node \
                 again",
                mib(*memory),
                mib(limit)
            );
            status.worsen(Level::Warn, text);
        }
        if *threads > MOST_THREADS {
            let text =
                format!("{threads} threads, expected at most {MOST_THREADS}: does the task start some and leave them?");
            status.worsen(Level::Warn, text);
        }
        let status = status.with("Resident memory (MiB)", mib(*memory));
        status.with("Resident memory peak (MiB)", mib(*peak)).with("Threads", threads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_told() {
        let text = "Name:\tnode\nVmHWM:\t  5242880 kB\nVmRSS:\t  4194305 kB\nThreads:\t300\n";
        let found = Footprint::parse(text).expect("all three are there");
        assert_eq!(found, Footprint { memory: 4_294_968_320, peak: 5 << 30, threads: 300 });
        let status = found.status(1 << 30);
        assert_eq!(status.level, Level::Warn);
        assert!(status.message.contains("resident memory is 4096 MiB, memory.limit is 1024 MiB"), "{}", status.message);
        assert!(status.message.contains("300 threads, expected at most 256"), "{}", status.message);
        let small = Footprint { threads: 30, ..found };
        assert_eq!(small.status(8 << 30).level, Level::Ok);
        assert_eq!(Footprint::parse("VmRSS: 1 kB\nThreads: 1\n"), None);
        assert_eq!(Footprint::parse("VmHWM: 1 kB\nVmRSS: much\nThreads: 1\n"), None);
        assert!(Footprint::read().is_some_and(|own| own.memory > 0 && own.memory <= own.peak && own.threads > 0));
    }
}
