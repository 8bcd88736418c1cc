//! What a running node recorded, as data of a training.
//!
//! ```text
//! recordings ─> Logbook ─┬─ first seven tenths of each file ─> training rows, visited points, pseudo-truth
//!                        ├─ next tenth ──────────────────────> validation: which average of theta is kept
//!                        └─ last fifth ──────────────────────> held out: whether the new theta is promoted
//! ```

mod entry;
mod guess;
mod page;

use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::index::sample;
use tch::{Kind, Tensor};
use thalweg_task::{Masked, Observation, TaskSpec};

use self::entry::Entry;
pub use self::page::{Page, Room};
use super::{Data, PseudoTruth, TrainError, Visited};
use thalweg_engine::AdamConfig;
use thalweg_record::{Damage, Reader, RecordError};
use thalweg_task::Seen;
use thalweg_task::percentile;

/// Share of each recording, by time, that serves validation, and share behind it that is held out.
///
/// By time and not at random: neighbours in a stream are alike, and theta would be judged by what it has learned.
const VALIDATION: f64 = 0.1;
const HELD_OUT: f64 = 0.2;

/// Bytes of solves that are held beside as many as their files have: a recorded solve takes more bytes in a file than of
/// it are held, so this is met by files only that were made to be.
const HELD: u64 = 64 << 20;

/// How recordings become data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoggedOptions {
    /// Weight of a guess that all hypotheses agree on, against what was seen; zero for no pseudo-truth.
    pub pseudo_weight: f64,
    /// Most points of recorded descents in the replay buffer.
    pub points: usize,
    /// Seed of the choice among them.
    pub seed: u64,
}

/// What was found in recordings, and what was passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LoggedCounts {
    /// Files that were read.
    pub files: u64,
    /// Files of another task or forward model.
    pub foreign: u64,
    /// Solves that serve.
    pub solves: u64,
    /// Damaged pieces, and solves with numbers that are not finite: left out.
    pub damaged: u64,
    /// Solves in which nothing was seen: left out.
    pub blind: u64,
    /// Solves beyond what the memory is for: left out.
    pub beyond: u64,
    /// Solves on the landscape that training starts from: their points are visited again.
    pub visited: u64,
    /// Solves whose unseen part is guessed.
    pub guessed: u64,
}

/// How the node that recorded descends: the terms on which landscapes are compared.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Habits {
    /// Step size of Adam.
    pub rate: f64,
    /// Median number of steps that a solve had time for, at least 1.
    pub steps: u32,
    /// Hypotheses.
    pub hypotheses: usize,
}

/// Reads recordings, one after the other.
#[derive(Debug)]
pub struct Logbook<'a> {
    spec: &'a TaskSpec,
    /// Identity and dimension `Z` of the landscape that training starts from.
    landscape: (&'a str, i64),
    recordings: Vec<Vec<Entry>>,
    /// Parameters of the node that recorded last, JSON.
    parameters: Option<String>,
    counts: LoggedCounts,
    room: Room,
}

/// Recordings as data.
#[derive(Debug)]
pub struct Logged {
    /// What was seen, to train on.
    pub training: Observation,
    /// To choose by which average of theta is kept.
    pub validation: Observation,
    /// To judge the new theta by.
    pub held_out: Observation,
    /// Where descents were, on the landscape that training starts from.
    pub visited: Option<Visited>,
    /// What is guessed of the unseen parts of `training`.
    pub pseudo: Option<PseudoTruth>,
    /// How the node descends.
    pub habits: Habits,
    /// What was found.
    pub counts: LoggedCounts,
}

impl<'a> Logbook<'a> {
    /// Opens an empty book for a task; `landscape`: identity and dimension `Z` of what training starts from.
    #[must_use]
    pub fn new(spec: &'a TaskSpec, landscape: (&'a str, i64)) -> Self {
        let (recordings, counts) = (Vec::new(), LoggedCounts::default());
        Self { spec, landscape, recordings, parameters: None, counts, room: Room::of(u64::MAX) }
    }

    /// Bounds what is held of all files, in bytes; solves beyond it are left out and counted.
    #[must_use]
    pub fn with_memory(mut self, bytes: u64) -> Self {
        self.room = self.room.within(bytes);
        self
    }

    /// Bounds what is held of all files by their sizes.
    #[must_use]
    pub fn with_files(self, files: &[PathBuf]) -> Self {
        let sizes = files.iter().map(|file| std::fs::metadata(file).map_or(0, |metadata| metadata.len()));
        self.with_memory(sizes.fold(HELD, u64::saturating_add))
    }

    /// How much more is held.
    #[must_use]
    pub fn room(&self) -> Room {
        self.room
    }

    /// Takes the solves of one file and gives what is damaged in it; those of another forward model, and what is
    /// damaged, are counted.
    ///
    /// # Errors
    /// [`RecordError`] when the file cannot be read or is no recording of ours.
    pub fn add(&mut self, file: &Path) -> Result<Damage, RecordError> {
        let mut room = self.room;
        let page = self.read(file, &mut room)?;
        let damage = page.damage;
        self.take(page);
        Ok(damage)
    }

    /// Reads the solves of one file, as many as there is room for, for [`Logbook::take`].
    ///
    /// # Errors
    /// As [`Logbook::add`].
    pub fn read(&self, file: &Path, room: &mut Room) -> Result<Page, RecordError> {
        let mut reader = Reader::open(file)?;
        let mut page = Page { counts: LoggedCounts { files: 1, ..LoggedCounts::default() }, ..Page::default() };
        if reader.setup().fingerprint != self.spec.fingerprint || reader.setup().task != self.spec.name {
            page.counts.foreign = 1;
            return Ok(page);
        }
        page.parameters = Some(reader.setup().parameters.clone());
        for solve in reader.solves() {
            match Entry::of(&solve?, self.spec, self.landscape) {
                Some(entry) if room.takes(&entry) => page.entries.push(entry),
                Some(_) => page.counts.beyond += 1,
                None => page.counts.blind += 1,
            }
        }
        page.damage = reader.damage();
        page.counts.damaged = page.damage.pieces();
        Ok(page)
    }

    /// Takes the solves of the next file, as many as there is room for: whoever has read which file, the same ones.
    pub fn take(&mut self, page: Page) {
        let Page { mut entries, parameters, counts, .. } = page;
        let LoggedCounts { files, foreign, damaged, blind, beyond, .. } = counts;
        let found = entries.len();
        let fits = entries.iter().take_while(|entry| self.room.takes(entry)).count();
        entries.truncate(fits);
        // Whoever has read the file had no room for the rest of it; there is no more here.
        if beyond > 0 {
            self.room.fill();
        }
        self.counts.files += files;
        self.counts.foreign += foreign;
        self.counts.damaged += damaged;
        self.counts.blind += blind;
        self.counts.beyond += beyond + (found - fits) as u64;
        self.counts.solves += fits as u64;
        if parameters.is_some() {
            self.parameters = parameters;
            self.recordings.push(entries);
        }
    }

    /// Divides what was read.
    ///
    /// # Errors
    /// [`TrainError::NoObservations`] when a part is left empty: fewer than some ten solves serve.
    pub fn close(self, options: &LoggedOptions) -> Result<Logged, TrainError> {
        let Self { spec, recordings, parameters, mut counts, .. } = self;
        let [training, validation, held_out] = divide(&recordings);
        for (what, part) in
            [("recorded", &training), ("recorded validation", &validation), ("recorded held-out", &held_out)]
        {
            if part.is_empty() {
                return Err(TrainError::NoObservations { what });
            }
        }
        let visited = visited(&training, self.landscape.1, options);
        let pseudo = guess::of(&training, spec, options.pseudo_weight);
        counts.visited = training.iter().filter(|entry| !entry.points.is_empty()).count() as u64;
        counts.guessed =
            pseudo.as_ref().map_or(0, |pseudo| pseudo.weight.count_nonzero(None::<i64>).int64_value(&[]) as u64);
        Ok(Logged {
            habits: habits(&recordings, parameters.as_deref()),
            training: observation(&training, spec),
            validation: observation(&validation, spec),
            held_out: observation(&held_out, spec),
            visited,
            pseudo,
            counts,
        })
    }
}

/// The parts of each recording, by time, joined over recordings: training, validation, held out.
fn divide(recordings: &[Vec<Entry>]) -> [Vec<&Entry>; 3] {
    let mut parts = [const { Vec::new() }; 3];
    for entries in recordings {
        let at = |share: f64| (entries.len() as f64 * share).round() as usize;
        let (validation, held_out) = (at(1.0 - VALIDATION - HELD_OUT), at(1.0 - HELD_OUT));
        parts[0].extend(&entries[..validation]);
        parts[1].extend(&entries[validation..held_out]);
        parts[2].extend(&entries[held_out..]);
    }
    parts
}

/// Chooses points of recorded descents, evenly over all.
fn visited(entries: &[&Entry], dim: i64, options: &LoggedOptions) -> Option<Visited> {
    let dim = usize::try_from(dim).ok()?;
    let all: Vec<(usize, &[f32])> =
        entries.iter().enumerate().flat_map(|(row, entry)| entry.points.chunks(dim).map(move |z| (row, z))).collect();
    let count = all.len().min(options.points);
    let mut random = StdRng::seed_from_u64(options.seed);
    let mut chosen = sample(&mut random, all.len(), count).into_vec();
    chosen.sort_unstable();
    let z: Vec<f32> = chosen.iter().flat_map(|index| all[*index].1).copied().collect();
    let row: Vec<i64> = chosen.iter().map(|index| all[*index].0 as i64).collect();
    (count > 0).then(|| Visited { z: Tensor::from_slice(&z).view([-1, dim as i64]), row: Tensor::from_slice(&row) })
}

/// What was seen in entries, one row each.
fn observation(entries: &[&Entry], spec: &TaskSpec) -> Observation {
    stacked(entries.len(), spec, &|row| Some(&entries[row].seen))
}

/// Stacks what was seen, one row each; a kind that a row lacks is unobserved there.
fn stacked<'a>(rows: usize, spec: &TaskSpec, of: &dyn Fn(usize) -> Option<&'a Seen>) -> Observation {
    let stack = |kind: &str, numbers: &dyn Fn(&Seen) -> Vec<f64>| {
        let shape = spec.shape_of(kind)?;
        let size = shape.iter().product::<i64>() as usize;
        let all: Vec<Vec<f64>> = (0..rows).map(|row| of(row).map_or_else(Vec::new, numbers)).collect();
        if all.iter().all(Vec::is_empty) {
            return None;
        }
        let flat = all.into_iter().flat_map(|row| if row.len() == size { row } else { vec![f64::NAN; size] });
        let shape: Vec<i64> = std::iter::once(rows as i64).chain(shape).collect();
        let flat = Tensor::from_slice(&flat.collect::<Vec<f64>>()).to_kind(Kind::Float);
        Some(Masked::new(&flat.view(shape.as_slice())))
    };
    let pixels = |seen: &Seen| seen.image.iter().flat_map(|image| &image.data).map(|value| f64::from(*value)).collect();
    let metres = |seen: &Seen| seen.points.as_flattened().iter().map(|value| f64::from(*value)).collect();
    Observation {
        stamp_nanos: 0,
        joints: stack("joints", &|seen| seen.joints.clone()),
        image: stack("image", &pixels),
        points: stack("points", &metres),
        ..Observation::default()
    }
}

/// Reads how the node descends from its parameters and solves.
fn habits(recordings: &[Vec<Entry>], parameters: Option<&str>) -> Habits {
    let steps: Vec<f64> = recordings.iter().flatten().map(|entry| f64::from(entry.steps)).collect();
    let hypotheses = recordings.iter().flatten().last().map_or(1, |entry| entry.hypotheses);
    // The step size is a parameter whatever the optimizer; it is Adam's that landscapes are made for.
    let parameters = parameters.and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    let rate = parameters.as_ref().and_then(|parameters| parameters.get("optimizer.rate")?.as_f64());
    Habits {
        rate: rate.unwrap_or(AdamConfig::default().rate),
        steps: percentile(&steps, 0.5).map_or(1, |median| median.round().max(1.0) as u32),
        hypotheses,
    }
}

impl Logged {
    /// Joins what was recorded with other observations, so that both have about equal parts in a training.
    ///
    /// Recorded rows come first, repeated until there are as many as others; `mixed` keeps theta good at what
    /// the recordings do not show.
    #[must_use]
    pub fn mixed_with(&self, mixed: &Data) -> Data {
        let (logged, others) = (self.training.rows(), mixed.training.rows());
        let times = if logged == 0 { 1 } else { (others / logged).max(1) };
        let repeated = |obs: &Observation| Observation::joined(&vec![obs; times as usize]);
        let guess = |pseudo: &PseudoTruth| {
            let none = Tensor::zeros([others], (pseudo.weight.kind(), pseudo.weight.device()));
            let weights = [pseudo.weight.repeat([times]), none];
            let blank = |field: &Masked| field.hide(&field.observed().zeros_like());
            let first = Tensor::zeros([others], (Kind::Int64, pseudo.weight.device()));
            let unknown = pseudo.guess.select_rows(&first).map(blank);
            let guess = Observation::joined(&[&repeated(&pseudo.guess), &unknown]);
            PseudoTruth { guess, weight: Tensor::cat(&weights, 0) }
        };
        let held_out = mixed.held_out.as_ref().map(|others| {
            let rows = others.rows().min(self.validation.rows());
            let rows = Tensor::arange(rows, (Kind::Int64, tch::Device::Cpu)) * (others.rows() / rows.max(1)).max(1);
            Observation::joined(&[&self.validation, &others.select_rows(&rows)])
        });
        Data {
            training: Observation::joined(&[&repeated(&self.training), &mixed.training]),
            held_out: Some(held_out.unwrap_or_else(|| self.validation.shallow_clone())),
            visited: self.visited.as_ref().map(Visited::shallow_clone),
            pseudo: self.pseudo.as_ref().map(guess),
        }
    }
}
