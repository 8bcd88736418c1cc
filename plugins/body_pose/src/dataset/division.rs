//! Two ways to divide the clips: the one that the shipped weights were trained on, and a stricter one over more clips.
//!
//! The second division, by [`assign`], in this order:
//! 1. Test clips of the first stay test clips, out of distribution or in it; its validation clips stay what they are.
//! 2. Whole people of `cmu_more.npz`, chosen by the hash of their number, are *unseen*; others are validation.
//!    Nobody is chosen of whom `cmu_expmap.npz` has a clip: flagged trials, and whom [`learn_subjects`] finds.
//! 3. A trial that is, or holds, a clip of `cmu_expmap.npz` goes where that clip goes; where that is a test, it leaves.
//! 4. Single poses leave. Keyframed motions are divided by the hash of their names.
//! 5. What comes within [`MARGIN_DEGREES`] of a test frame, whoever moves, leaves training and validation.
//!
//! What came out is written down in `second.tsv`, and that is what is used: a test says when the rule gives another.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::overlap::{Frames, may_be_one_person};
use super::{Clip, Source, Split, split};

/// How clips are divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Division {
    /// Three sources, by clip: what the shipped weights were trained and measured on.
    #[default]
    First,
    /// Five sources, by person and trial, with people whom nothing has seen.
    Second,
}

/// Where a clip goes, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// What it serves for.
    pub split: Split,
    /// Who moves, as far as it is known.
    pub subject: Option<String>,
    /// Why, in a few words.
    pub reason: String,
}

/// Clips of the same person this near to a test frame leave training, degrees of mean joint angle: a quarter more than
/// what the leak test allows, which looks at other frames than the rule does.
const MARGIN_DEGREES: f64 = 1.25;

/// Two frames this near are one and the same, degrees: copies of exact clips are at 0.0, others beyond 2.
const COPY_DEGREES: f64 = 0.3;

/// A trial of another rig is told by the median distance of its frames, degrees: of copies it is about 2 to 3, of other
/// recordings above 7.
const LOOSE_DEGREES: f64 = 4.0;

/// Every third test frame is compared: 10 a second.
const STRIDE: usize = 3;

/// Percentages of people who are unseen, and who are for validation.
const UNSEEN_PERCENT: u64 = 20;
const HELD_OUT_PERCENT: u64 = UNSEEN_PERCENT + 15;

/// Which clip is in which set and why: source, clip, set, person, reason.
const TABLE: &str = include_str!("second.tsv");

/// Divides the clips as `second.tsv` says; what it does not know is for training.
pub(super) fn apply(clips: &mut [Clip]) {
    let mut known: HashMap<(&str, &str), [&str; 3]> = HashMap::new();
    for line in TABLE.lines() {
        if let [source, name, split, subject, reason] = line.split('\t').collect::<Vec<_>>()[..] {
            known.insert((source, name), [split, subject, reason]);
        }
    }
    for clip in clips {
        let Some([split, subject, _]) = known.get(&(clip.source.file(), clip.name.as_str())) else {
            clip.split = Split::Train;
            continue;
        };
        clip.split = Split::EVERY.into_iter().find(|known| known.name() == *split).unwrap_or(Split::LeftOut);
        clip.subject = (*subject != "-").then(|| (*subject).to_owned());
    }
}

/// One line of the table for each clip.
#[must_use]
pub fn table(clips: &[Clip], assignments: &[Assignment]) -> String {
    let line = |(clip, assignment): (&Clip, &Assignment)| {
        let Assignment { split, subject, reason } = assignment;
        let subject = subject.as_deref().unwrap_or("-");
        format!("{}\t{}\t{}\t{subject}\t{reason}\n", clip.source.file(), clip.name, split.name())
    };
    clips.iter().zip(assignments).map(line).collect()
}

/// Applies the rule to clips as [`Division::First`] has them; see the head of this file.
#[must_use]
pub fn assign(clips: &[Clip]) -> Vec<Assignment> {
    let (subjects, copies) = learn_subjects(clips);
    let seen: HashSet<&String> = clips
        .iter()
        .zip(&subjects)
        .filter(|(clip, _)| of_old(clip))
        .filter_map(|(_, subject)| subject.as_ref())
        .collect();
    let mut assignments: Vec<Assignment> = clips
        .iter()
        .enumerate()
        .map(|(index, clip)| {
            let subject = subjects[index].clone();
            let (split, reason) = by_name(clip, subject.as_ref().is_some_and(|subject| seen.contains(subject)));
            Assignment { split, subject, reason: reason.to_owned() }
        })
        .collect();
    follow_copies(clips, &copies, &mut assignments);
    leave(clips, &mut assignments);
    assignments
}

fn of_old(clip: &Clip) -> bool {
    clip.source == Source::Cmu || clip.in_cmu_expmap
}

/// Steps 1, 2 and 4, which ask nothing but the name, the person and the first division.
fn by_name(clip: &Clip, seen: bool) -> (Split, &'static str) {
    match clip.source {
        Source::Mesh2Motion if clip.poses.windows(2).all(|pair| pair[0] == pair[1]) => {
            (Split::LeftOut, "a single pose")
        }
        Source::Mesh2Motion => (split::of_mesh2motion(&clip.name), "by hash of the name"),
        Source::CmuMore if clip.subject.is_none() => (Split::Train, "nobody knows who"),
        Source::CmuMore if seen => (Split::Train, "a person of cmu_expmap.npz"),
        Source::CmuMore => match split::percent(&format!("subject {}", clip.subject.as_deref().unwrap_or_default())) {
            0..UNSEEN_PERCENT => (Split::Unseen, "a person whom nothing has seen"),
            UNSEEN_PERCENT..HELD_OUT_PERCENT => (Split::Validation, "a person for validation"),
            _ => (Split::Train, "by hash of the person"),
        },
        _ => (clip.split, "as before"),
    }
}

/// Who moves in each clip, and of which clip of `cmu_expmap.npz` it is a copy, by index.
///
/// `cmu_expmap.npz` names nobody: a clip that shares frames with a trial of `cmu_more.npz` is that trial's person.
fn learn_subjects(clips: &[Clip]) -> (Vec<Option<String>>, BTreeMap<usize, usize>) {
    let more = clips.iter().enumerate().filter(|(_, clip)| clip.source == Source::CmuMore);
    let frames = Frames::new(more, 1);
    let mut subjects: Vec<Option<String>> = clips.iter().map(|clip| clip.subject.clone()).collect();
    let mut copies = BTreeMap::new();
    for (index, clip) in clips.iter().enumerate().filter(|(_, clip)| clip.source == Source::Cmu) {
        for pose in clip.poses.iter().step_by(STRIDE) {
            let Some((_, trial)) = frames.nearest(pose, COPY_DEGREES, |_| true) else { continue };
            subjects[index].clone_from(&clips[trial].subject);
            copies.insert(trial, index);
        }
    }
    for (trial, original) in loose_copies(clips, &copies) {
        subjects[original].clone_from(&clips[trial].subject);
        copies.insert(trial, original);
    }
    (subjects, copies)
}

/// Flagged trials of other rigs, and the clips that they are nearest to.
fn loose_copies(clips: &[Clip], known: &BTreeMap<usize, usize>) -> Vec<(usize, usize)> {
    let open = |(index, clip): &(usize, &Clip)| clip.in_cmu_expmap && !known.contains_key(index);
    let taken: HashSet<&usize> = known.values().collect();
    let mut found = Vec::new();
    for (trial, clip) in clips.iter().enumerate().filter(open) {
        let frames = Frames::new(std::iter::once((trial, clip)), 1);
        let median = |original: &Clip| {
            let nearest = |pose| frames.nearest(pose, 2.0 * LOOSE_DEGREES, |_| true).map_or(180.0, |found| found.0);
            let mut all: Vec<f64> = original.poses.iter().step_by(STRIDE).map(nearest).collect();
            all.sort_by(f64::total_cmp);
            all.get(all.len() / 2).copied().unwrap_or(180.0)
        };
        let originals =
            clips.iter().enumerate().filter(|(index, clip)| clip.source == Source::Cmu && !taken.contains(index));
        let best = originals.map(|(index, clip)| (median(clip), index)).min_by(|a, b| a.0.total_cmp(&b.0));
        found.extend(best.filter(|best| best.0 < LOOSE_DEGREES).map(|best| (trial, best.1)));
    }
    found
}

/// Step 3: copies go where the original goes, and leave where that is a test.
fn follow_copies(clips: &[Clip], copies: &BTreeMap<usize, usize>, assignments: &mut [Assignment]) {
    for (&trial, &original) in copies {
        let split = assignments[original].split;
        let (split, verb) = if split.is_test() { (Split::LeftOut, "holds the test clip") } else { (split, "holds") };
        assignments[trial].split = split;
        assignments[trial].reason = format!("{verb} {}", clips[original].name);
    }
    for (clip, assignment) in clips.iter().zip(assignments) {
        if clip.in_cmu_expmap && assignment.reason.starts_with("a person") {
            assignment.split = Split::LeftOut;
            assignment.reason = "said to hold a clip of cmu_expmap.npz, nobody knows which".to_owned();
        }
    }
}

/// Step 5: what is near a test frame leaves.
fn leave(clips: &[Clip], assignments: &mut [Assignment]) {
    let persons: Vec<Clip> = clips
        .iter()
        .zip(&*assignments)
        .map(|(clip, assignment)| Clip { subject: assignment.subject.clone(), poses: Vec::new(), ..clip.clone() })
        .collect();
    let held: Vec<bool> = assignments.iter().map(|assignment| assignment.split.is_test()).collect();
    let frames = Frames::new(clips.iter().enumerate().filter(|(index, _)| held[*index]), 1);
    for (index, clip) in clips.iter().enumerate() {
        if held[index] || assignments[index].split == Split::LeftOut {
            continue;
        }
        let same = |other: usize| may_be_one_person(&persons[index], &persons[other]);
        let near = clip.poses.iter().filter_map(|pose| frames.nearest(pose, MARGIN_DEGREES, same));
        if let Some((degrees, other)) = near.min_by(|a, b| a.0.total_cmp(&b.0)) {
            let name = &clips[other].name;
            assignments[index].split = Split::LeftOut;
            assignments[index].reason = format!("within {degrees:.1} degrees of the test clip {name}");
        }
    }
}
