//! Answers of a recording, as a node solved them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use thalweg_node::display::{Crowd, MOST_POINTS, ShownAnswer, ShownPerson};
use thalweg_record::{Listing, Reader, Setup, Solve};

use super::Timed;
use super::painter::Painter;

/// Of several people the answers of the first one are shown, with everybody else as they were then; those of others where
/// that one was silent for this long.
const LATE: Duration = Duration::from_millis(200);

/// The files of a recording, one after the other.
pub struct Recording {
    files: std::vec::IntoIter<PathBuf>,
    /// Whether what is none of ours is passed over.
    is_folder: bool,
    reader: Option<Reader>,
    names: Arc<[String]>,
    painter: Option<Painter>,
    /// When the first answer was received, nanoseconds.
    begin: Option<i64>,
    /// Everybody, where people are told apart.
    crowd: Crowd,
    /// When an answer was shown last, from the beginning.
    last: Duration,
}

impl Recording {
    /// Opens a file, or all files of a folder, oldest first.
    ///
    /// # Errors
    /// When there is none, or the first cannot be read.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let Listing { files, notes, is_folder, .. } = Listing::of(path)?;
        notes.iter().for_each(|note| tracing::warn!("{note}"));
        let mut recording = Self {
            files: files.into_iter(),
            is_folder,
            reader: None,
            names: Arc::from([]),
            painter: None,
            begin: None,
            crowd: Crowd::new(Duration::ZERO),
            last: Duration::ZERO,
        };
        recording.next_file()?.with_context(|| format!("{}: no recording in this folder", path.display()))?;
        Ok(recording)
    }

    /// What the answers have in common.
    #[must_use]
    pub fn setup(&self) -> Option<&Setup> {
        self.reader.as_ref().map(Reader::setup)
    }

    fn next_file(&mut self) -> anyhow::Result<Option<()>> {
        for path in self.files.by_ref() {
            match Reader::open(&path) {
                Ok(reader) => {
                    self.names = reader.setup().joints.clone().into();
                    if self.begin.is_none() {
                        self.crowd = Crowd::of_recording(reader.setup());
                    }
                    self.reader = Some(reader);
                    return Ok(Some(()));
                }
                Err(error) if self.is_folder && error.is_foreign() => tracing::warn!("{error}; passed over"),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    fn next_solve(&mut self) -> anyhow::Result<Option<Solve>> {
        while let Some(reader) = &mut self.reader {
            if let Some(solve) = reader.solves().next() {
                return Ok(Some(solve?));
            }
            let damage = reader.damage();
            if damage.has_lost() {
                tracing::warn!("not all of the recording could be read: {damage}");
            }
            self.reader = None;
            self.next_file()?;
        }
        Ok(None)
    }
}

impl Iterator for Recording {
    type Item = anyhow::Result<Timed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.begin.is_none() {
            self.painter = self.setup().and_then(Painter::of);
        }
        loop {
            let mut solve = match self.next_solve() {
                Ok(solve) => solve?,
                Err(error) => return Some(Err(error)),
            };
            let begin = *self.begin.get_or_insert(solve.received_nanos);
            let at = u64::try_from(solve.received_nanos.saturating_sub(begin)).unwrap_or(0);
            let at = Duration::from_nanos(at);
            if let Some(person) = person(&solve) {
                let id = Arc::clone(&person.id);
                self.crowd.put(at, person);
                if !self.crowd.is_led_by(&id) && at.saturating_sub(self.last) < LATE {
                    continue;
                }
            }
            self.last = at;
            solve.answer.images = self.painter.as_mut().map_or_else(Vec::new, |painter| painter.paint(&solve));
            let people = self.crowd.shown(at);
            return Some(Ok((at, Arc::new(ShownAnswer { people, ..shown(solve, &self.names) }))));
        }
    }
}

/// Whose solve it is, as they are drawn.
fn person(solve: &Solve) -> Option<ShownPerson> {
    let person = solve.person.as_ref()?;
    Some(ShownPerson {
        id: person.id.as_str().into(),
        arrival: person.arrival,
        joints: solve.answer.joints.first().cloned().unwrap_or_default(),
        observed: solve.seen.joints.iter().map(|position| !position.is_nan()).collect(),
        root: solve.answer.roots.first().copied(),
    })
}

fn shown(solve: Solve, names: &Arc<[String]>) -> ShownAnswer {
    let known = solve.seen.points.iter().filter(|point| point.iter().all(|value| value.is_finite()));
    let step = known.clone().count().div_ceil(MOST_POINTS).max(1);
    ShownAnswer {
        stamp_nanos: solve.stamp_nanos,
        names: Arc::clone(names),
        hypotheses: solve.answer.losses.len(),
        points: known.step_by(step).copied().collect(),
        answer: solve.answer,
        observed: solve.seen.joints.iter().map(|position| !position.is_nan()).collect(),
        image: solve.seen.image.map(Arc::new),
        latency: None,
        refusals: 0,
        people: Arc::default(),
    }
}
