//! A recorder whose own code panics: told at once, and it goes on.

use super::*;
use crate::segment::{Disk, Sync};

/// A file that panics when it is written, as long as that is asked for.
struct Stumbling {
    file: File,
    panics: Arc<AtomicBool>,
}

impl Stumbling {
    /// Panics once: the writer that is dropped on the way writes its end.
    fn stumble(&self) {
        assert!(std::thread::panicking() || !self.panics.load(Ordering::Acquire), "as a test does");
    }
}

impl Write for Stumbling {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stumble();
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stumble();
        self.file.flush()
    }
}

impl Seek for Stumbling {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl Disk for Stumbling {
    fn sync(&self) -> io::Result<Sync> {
        Disk::sync(&self.file)
    }
}

/// A recorder that is begun, and the switch by which it stumbles.
fn stumbling(folder: &Path, panics: bool) -> (Recorder, Arc<AtomicBool>) {
    let switch = Arc::new(AtomicBool::new(panics));
    let panics = Arc::clone(&switch);
    let open = move |path: &Path| -> io::Result<Box<dyn Disk>> {
        let file = crate::files::create_locked(path)?;
        Ok(Box::new(Stumbling { file, panics: Arc::clone(&panics) }))
    };
    let recorder = Recorder::on(options(folder), Box::new(open)).expect("a thread");
    recorder.begin(setup());
    (recorder, switch)
}

#[test]
fn a_recorder_that_panics_says_so_and_records_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (recorder, panics) = stumbling(folder.path(), false);
    assert_eq!(recorder.report().failure, None);
    panics.store(true, Ordering::Release);
    for index in 1..=3 {
        recorder.put(Box::new(solve(index)));
    }
    wait_for("a failure", || recorder.report().failure.is_some());
    let report = recorder.report();
    assert_eq!(report.failure.as_deref(), Some("the recorder has stumbled: as a test does"));
    assert_eq!((report.file, recorder.has_ended()), (None, false));
    assert!(recorder.save().is_err(), "nothing is being recorded, and nobody says otherwise");
    panics.store(false, Ordering::Release);
    wait_for("another file", || recorder.report().file.is_some());
    recorder.put(Box::new(solve(4)));
    wait_for("a solve", || recorder.report().written > 0 && recorder.report().failure.is_none());
    recorder.end();
    assert!(!recorder.has_ended());
}

/// Who begins hears that nothing is recorded.
#[test]
fn a_beginning_that_panics_is_a_failure_when_it_returns() {
    let folder = tempfile::tempdir().expect("a folder");
    let (recorder, _panics) = stumbling(folder.path(), true);
    assert_eq!(recorder.report().failure.as_deref(), Some("the recorder has stumbled: as a test does"));
    recorder.end();
}
