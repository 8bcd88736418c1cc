//! Lists of names, resolved once for each source of joint positions.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};

use thalweg_task::{JointSpec, nearest};

use super::refusal::{Cause, Refusal};
use super::stamp::Order;
use super::text::{escaped, is_acceptable_name};

/// Sources that are remembered; the one that was silent for longest is forgotten first.
const SOURCES: usize = 64;

/// Unknown names that are remembered, so that each is told once.
const UNKNOWN_NAMES: usize = 256;

/// Unknown names for which the nearest known one is looked up; each costs an edit distance per joint.
const EXAMPLES: usize = 3;

/// Longest name for which that is worth its time, bytes.
const EXAMPLE_BYTES: usize = 64;

/// One list of names, which stands for one publisher: messages do not say who sent them.
#[derive(Debug)]
pub(super) struct Source {
    /// Hash of the list.
    pub(super) key: u64,
    /// Order of its stamps.
    pub(super) order: Order,
    /// Pairs of place in the message and joint, each joint once.
    pub(super) places: Vec<(usize, usize)>,
    /// Places that repeat a joint: first place, later place; sorted.
    pub(super) repeats: Vec<(usize, usize)>,
    /// What any message with this list is told: names that are bad, or all unknown.
    pub(super) standing: Vec<Refusal>,
    last_use: u64,
}

impl Source {
    /// Tells whether the joint at `place` came again with another position (J6).
    pub(super) fn contradicts_itself(&self, place: usize, positions: &[f64]) -> bool {
        let start = self.repeats.partition_point(|(first, _)| *first < place);
        let mut again = self.repeats[start..].iter().take_while(|(first, _)| *first == place);
        again.any(|&(_, later)| !same(positions[place], positions[later]))
    }
}

fn same(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan())
}

/// The sources that were heard, at most [`SOURCES`].
#[derive(Debug)]
pub(super) struct Sources {
    known: HashMap<String, usize>,
    names: Vec<String>,
    hasher: RandomState,
    sources: Vec<Source>,
    uses: u64,
    unknown: BTreeSet<String>,
}

impl Sources {
    pub(super) fn new(joints: &[JointSpec]) -> Self {
        let names: Vec<String> = joints.iter().map(|joint| joint.name.clone()).collect();
        let known = names.iter().enumerate().map(|(joint, name)| (name.clone(), joint)).collect();
        let (sources, unknown) = (Vec::new(), BTreeSet::new());
        Self { known, names, hasher: RandomState::new(), sources, uses: 0, unknown }
    }

    /// Forgets every source and its order of stamps; unknown names stay told.
    pub(super) fn clear(&mut self) {
        self.sources.clear();
    }

    /// Unknown names that came, in alphabetical order.
    pub(super) fn unknown(&self) -> impl Iterator<Item = &str> {
        self.unknown.iter().map(String::as_str)
    }

    /// Finds or resolves the source with this list of names; `fresh` gets unknown names not told before.
    pub(super) fn find(&mut self, names: &[String], fresh: &mut Vec<String>) -> &mut Source {
        self.uses += 1;
        let key = self.hasher.hash_one(names);
        let place = self.sources.iter().position(|source| source.key == key).unwrap_or_else(|| {
            let source = self.resolve(names, key, fresh);
            self.insert(source)
        });
        let source = &mut self.sources[place];
        source.last_use = self.uses;
        source
    }

    fn insert(&mut self, source: Source) -> usize {
        if self.sources.len() >= SOURCES {
            let oldest = self.sources.iter().enumerate().min_by_key(|(_, source)| source.last_use);
            let oldest = oldest.map_or(0, |(place, _)| place);
            self.sources.swap_remove(oldest);
        }
        self.sources.push(source);
        self.sources.len() - 1
    }

    fn resolve(&mut self, names: &[String], key: u64, fresh: &mut Vec<String>) -> Source {
        let mut first_places: Vec<Option<usize>> = vec![None; self.names.len()];
        let (mut places, mut repeats) = (Vec::new(), Vec::new());
        for (place, name) in names.iter().enumerate() {
            match self.known.get(name) {
                Some(&joint) => match first_places[joint] {
                    Some(first) => repeats.push((first, place)),
                    None => {
                        first_places[joint] = Some(place);
                        places.push((place, joint));
                    }
                },
                None => self.remember_unknown(name, fresh),
            }
        }
        repeats.sort_unstable();
        let standing = [bad_names(names), self.none_known(names, places.len())].into_iter().flatten().collect();
        Source { key, order: Order::default(), places, repeats, standing, last_use: 0 }
    }

    fn remember_unknown(&mut self, name: &str, fresh: &mut Vec<String>) {
        if is_acceptable_name(name) && self.unknown.len() < UNKNOWN_NAMES && self.unknown.insert(name.to_owned()) {
            fresh.push(name.to_owned());
        }
    }

    /// Complains when no name is a joint (J5), with the nearest known one for the first few.
    fn none_known(&self, names: &[String], known: usize) -> Option<Refusal> {
        let mut unknown = names.iter().filter(|name| is_acceptable_name(name)).peekable();
        if known > 0 || unknown.peek().is_none() {
            return None;
        }
        let examples: Vec<_> = unknown.take(EXAMPLES).map(|name| self.example(name)).collect();
        let (count, joints) = (names.len(), self.names.len());
        let text = format!(
            "0 of {count} names match; got {}; expected names out of the task's {joints} joints",
            examples.join(", ")
        );
        Some(Refusal::new(Cause::UnknownJoint, text))
    }

    fn example(&self, name: &str) -> String {
        let known = self.names.iter().map(String::as_str).filter(|_| name.len() <= EXAMPLE_BYTES);
        format!("'{}'{}", escaped(name), nearest(name, known))
    }
}

/// Complains of names that are no names (J15).
fn bad_names(names: &[String]) -> Option<Refusal> {
    let mut bad = names.iter().filter(|name| !is_acceptable_name(name));
    let first = bad.next()?;
    let text = format!(
        "got {} of {} names that are empty, too long or not printable, first '{}'; expected 1 to 256 bytes of printable text",
        bad.count() + 1,
        names.len(),
        escaped(first)
    );
    Some(Refusal::new(Cause::BadName, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_whatever_names_come() {
        let joint = JointSpec { name: "a".into(), unit: "m".into(), lower: 0.0, upper: 1.0 };
        let mut sources = Sources::new(&[joint]);
        let mut told = Vec::new();
        for index in 0..1000 {
            let _source = sources.find(&["a".into(), format!("unknown_{index}")], &mut told);
            let steady = sources.find(&["a".into()], &mut told);
            assert_eq!(steady.places, [(0, 0)]);
        }
        assert_eq!((sources.sources.len(), sources.unknown.len(), told.len()), (SOURCES, UNKNOWN_NAMES, UNKNOWN_NAMES));
        let oldest = sources.sources.iter().map(|source| source.last_use).min();
        assert_eq!(oldest, Some(2000 - 2 * SOURCES as u64 + 3), "the oldest were forgotten, the steady one was not");
    }
}
