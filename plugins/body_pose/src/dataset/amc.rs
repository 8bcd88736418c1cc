//! Readers for ASF, a skeleton, and AMC, its motion (Acclaim).
//!
//! A bone points along its direction at rest and turns about its own axes: with `C` its `axis` and `L` the turns of
//! its degrees of freedom, the first listed applied first, its orientation is `G = G_parent C L C^-1`.

use std::collections::HashMap;
use std::io::BufRead;

use nalgebra::{UnitQuaternion, Vector3};

use super::DatasetError;
use super::lines::Lines;
use super::rig::Bone;

/// More bones than any body has.
const BONE_LIMIT: usize = 1024;

/// Most frames that are kept of one take: a day at 30 a second.
const FRAME_LIMIT: usize = 2_592_000;

/// A number in a row that turns the bone about an axis; anything else (a way, a length) is `None`.
type Freedom = Option<usize>;

#[derive(Clone, Debug, Default)]
struct Segment {
    name: String,
    parent: Option<usize>,
    /// From its beginning to its end at rest, the file's unit.
    bone: Vector3<f64>,
    axis: UnitQuaternion<f64>,
    freedoms: Vec<Freedom>,
}

/// A skeleton: the root first, parents before their children.
#[derive(Clone, Debug)]
pub(super) struct Asf {
    segments: Vec<Segment>,
    index: HashMap<String, usize>,
    radians: bool,
}

impl Asf {
    /// Reads a skeleton; `name` is for error messages.
    pub(super) fn read(name: &str, reader: impl BufRead) -> Result<Self, DatasetError> {
        let mut lines = Lines::new(name, reader);
        let root = Segment { name: "root".to_owned(), ..Segment::default() };
        let mut asf = Self { segments: vec![root], index: HashMap::from([("root".to_owned(), 0)]), radians: false };
        let mut loose: HashMap<String, Segment> = HashMap::new();
        let mut section = String::new();
        while let Some(line) = lines.next_if_any()? {
            if let Some(name) = line.strip_prefix(':') {
                section = name.split_whitespace().next().unwrap_or_default().to_lowercase();
                continue;
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            match (section.as_str(), words[0]) {
                ("units", "angle") => asf.radians = words.get(1).is_some_and(|unit| unit.starts_with("rad")),
                ("root", "order") => asf.segments[0].freedoms = freedoms(&words[1..]),
                ("bonedata", "begin") => {
                    let segment = read_bone(&mut lines, asf.radians)?;
                    if loose.len() == BONE_LIMIT {
                        return Err(lines.error(format!("expected at most {BONE_LIMIT} bones")));
                    }
                    loose.insert(segment.name.clone(), segment);
                }
                ("hierarchy", word) if word != "begin" && word != "end" => asf.attach(&lines, &words, &mut loose)?,
                _ => {}
            }
        }
        if asf.segments.len() == 1 {
            return Err(lines.error("expected bones and their hierarchy, got the end of the text".to_owned()));
        }
        Ok(asf)
    }

    /// A line of the hierarchy: a parent and its children.
    fn attach<R: BufRead>(
        &mut self,
        lines: &Lines<'_, R>,
        words: &[&str],
        loose: &mut HashMap<String, Segment>,
    ) -> Result<(), DatasetError> {
        let Some(&parent) = self.index.get(words[0]) else {
            return Err(lines.unexpected("a parent that was named before", words[0]));
        };
        for word in &words[1..] {
            let Some(mut segment) = loose.remove(*word) else {
                return Err(lines.unexpected("a bone of :bonedata, once", word));
            };
            segment.parent = Some(parent);
            self.index.insert((*word).to_owned(), self.segments.len());
            self.segments.push(segment);
        }
        Ok(())
    }

    /// The skeleton at rest.
    pub(super) fn bones(&self) -> Vec<Bone> {
        let mut bones: Vec<Bone> = Vec::with_capacity(self.segments.len());
        let mut ends: Vec<Vector3<f64>> = Vec::with_capacity(self.segments.len());
        for segment in &self.segments {
            let place = segment.parent.map_or_else(Vector3::zeros, |parent| ends[parent]);
            ends.push(place + segment.bone);
            let turns: Vec<usize> = segment.freedoms.iter().copied().flatten().collect();
            let hinge = if let [axis] = turns[..] { Some(segment.axis * *Vector3::ith_axis(axis)) } else { None };
            let end = Some(place + segment.bone);
            bones.push(Bone { name: segment.name.clone(), parent: segment.parent, place, end, hinge });
        }
        bones
    }

    /// Each bone's turn from rest, from the values of its degrees of freedom in one frame.
    pub(super) fn turns(&self, frame: &[Vec<f64>], radians: bool) -> Vec<UnitQuaternion<f64>> {
        let mut turns: Vec<UnitQuaternion<f64>> = Vec::with_capacity(self.segments.len());
        for (segment, values) in self.segments.iter().zip(frame) {
            let mut local = UnitQuaternion::identity();
            for (freedom, value) in segment.freedoms.iter().zip(values) {
                let Some(axis) = freedom else { continue };
                let angle = if radians { *value } else { value.to_radians() };
                local = UnitQuaternion::from_axis_angle(&Vector3::ith_axis(*axis), angle) * local;
            }
            let local = segment.axis * local * segment.axis.inverse();
            turns.push(segment.parent.map_or(local, |parent| turns[parent] * local));
        }
        turns
    }
}

/// Reads from `begin` to `end` of a bone.
fn read_bone<R: BufRead>(lines: &mut Lines<'_, R>, radians: bool) -> Result<Segment, DatasetError> {
    let (mut segment, mut direction, mut length) = (Segment::default(), Vector3::zeros(), 0.0);
    loop {
        let line = lines.next("'end' of a bone")?;
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((&line, ""));
        match word {
            "end" if segment.name.is_empty() => return Err(lines.error("expected the bone's name".to_owned())),
            "end" => break,
            "name" => segment.name = rest.trim().to_owned(),
            "direction" => direction = three(lines, rest, "direction")?,
            "length" => length = lines.bounded(rest, 1, "length")?[0],
            "axis" => segment.axis = axis(lines, rest, radians)?,
            "dof" => segment.freedoms = freedoms(&rest.split_whitespace().collect::<Vec<_>>()),
            _ => {}
        }
    }
    segment.bone = direction * length;
    Ok(segment)
}

fn three<R: BufRead>(lines: &Lines<'_, R>, words: &str, what: &str) -> Result<Vector3<f64>, DatasetError> {
    Ok(Vector3::from_column_slice(&lines.bounded(words, 3, what)?))
}

/// `0 0 20 XYZ`: three angles, and the order in which they are applied.
fn axis<R: BufRead>(lines: &Lines<'_, R>, words: &str, radians: bool) -> Result<UnitQuaternion<f64>, DatasetError> {
    let (numbers, order) = match words.trim().rsplit_once(char::is_whitespace) {
        Some((numbers, order)) if order.parse::<f64>().is_err() => (numbers, order),
        _ => (words, "XYZ"),
    };
    let angles = three(lines, numbers, "axis")?;
    let mut turn = UnitQuaternion::identity();
    for (angle, letter) in angles.iter().zip(order.to_ascii_uppercase().chars()) {
        let axis = "XYZ".find(letter).ok_or_else(|| lines.unexpected("an order such as XYZ", order))?;
        let angle = if radians { *angle } else { angle.to_radians() };
        turn = UnitQuaternion::from_axis_angle(&Vector3::ith_axis(axis), angle) * turn;
    }
    Ok(turn)
}

fn freedoms(words: &[&str]) -> Vec<Freedom> {
    words.iter().map(|word| ["rx", "ry", "rz"].iter().position(|axis| word.eq_ignore_ascii_case(axis))).collect()
}

/// The motion of one take: values for each bone, for each frame that is kept.
#[derive(Clone, Debug)]
pub(super) struct Amc {
    pub frames: Vec<Vec<Vec<f64>>>,
    pub radians: bool,
}

impl Amc {
    /// Reads a take frame by frame and keeps every `stride`-th; bones that a frame leaves out are at rest.
    pub(super) fn read(name: &str, reader: impl BufRead, asf: &Asf, stride: usize) -> Result<Self, DatasetError> {
        let mut lines = Lines::new(name, reader);
        let mut amc = Self { frames: Vec::new(), radians: asf.radians };
        let rest: Vec<Vec<f64>> = asf.segments.iter().map(|segment| vec![0.0; segment.freedoms.len()]).collect();
        let mut count = 0usize;
        while let Some(line) = lines.next_if_any()? {
            if line.starts_with('#') {
                continue;
            }
            if let Some(word) = line.strip_prefix(':') {
                amc.radians =
                    amc.radians && !word.eq_ignore_ascii_case("degrees") || word.eq_ignore_ascii_case("radians");
                continue;
            }
            let (bone, values) = line.split_once(char::is_whitespace).unwrap_or((&line, ""));
            if values.is_empty() && bone.parse::<u64>().is_ok() {
                if count.is_multiple_of(stride) {
                    amc.frames.push(rest.clone());
                }
                count += 1;
                if amc.frames.len() > FRAME_LIMIT {
                    return Err(lines.error(format!("expected at most {FRAME_LIMIT} frames at 30 a second, the limit")));
                }
                continue;
            }
            let Some(&index) = asf.index.get(bone).filter(|_| count > 0) else {
                return Err(lines.unexpected("the number of a frame or a bone of the skeleton", bone));
            };
            let values = lines.numbers(values, rest[index].len(), &format!("frame {count}, {bone}"))?;
            if let Some(frame) = amc.frames.last_mut().filter(|_| (count - 1).is_multiple_of(stride)) {
                frame[index] = values;
            }
        }
        if amc.frames.is_empty() {
            return Err(lines.error("expected frames, got the end of the text".to_owned()));
        }
        Ok(amc)
    }
}
