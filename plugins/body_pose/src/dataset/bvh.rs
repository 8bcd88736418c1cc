//! A parser for BVH, the Biovision hierarchy format.

use std::fmt::Display;
use std::str::SplitWhitespace;

use nalgebra::{UnitQuaternion, Vector3};

use super::DatasetError;

/// More joints than any body has: a file that asks for more is damaged.
const JOINT_LIMIT: usize = 1024;

/// One number in a frame: what it moves, along or about which axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    /// Place along an axis, in the file's unit; takes the offset's place.
    Position(usize),
    /// Turn about an axis, degrees.
    Rotation(usize),
}

/// One joint of the hierarchy.
#[derive(Clone, Debug)]
pub(super) struct Joint {
    pub name: String,
    pub parent: Option<usize>,
    pub offset: Vector3<f64>,
    pub channels: Vec<Channel>,
    /// Place of the joint's end site, in its frame.
    pub end: Option<Vector3<f64>>,
}

/// A skeleton and its motion.
#[derive(Clone, Debug)]
pub(super) struct Bvh {
    pub name: String,
    pub joints: Vec<Joint>,
    /// Seconds between frames.
    pub frame_time: f64,
    /// One row of channel values for each frame, joints in order.
    pub frames: Vec<Vec<f64>>,
}

impl Bvh {
    /// Parses a file's text; `name` is for error messages.
    ///
    /// A value that is not a number of BVH but reads as one (`nan`, `inf`) is kept: the importer
    /// counts and drops such frames.
    pub(super) fn parse(name: &str, text: &str) -> Result<Self, DatasetError> {
        let mut lines = Lines { name, lines: text.lines().enumerate().collect(), next: 0 };
        let joints = parse_hierarchy(&mut lines)?;
        let count: usize = lines.labelled("Frames:")?;
        let frame_time: f64 = lines.labelled("Frame Time:")?;
        if !(frame_time.is_finite() && frame_time > 0.0) {
            return Err(lines.error(format!("expected a positive frame time, got {frame_time}")));
        }
        let width = joints.iter().map(|joint| joint.channels.len()).sum();
        let frames = parse_frames(&mut lines, count, width)?;
        Ok(Self { name: name.to_owned(), joints, frame_time, frames })
    }

    /// Finds a joint by name.
    pub(super) fn index(&self, joint: &'static str) -> Result<usize, DatasetError> {
        self.joints.iter().position(|known| known.name == joint).ok_or_else(|| DatasetError::MissingJoint {
            name: self.name.clone(),
            joint,
            have: self.joints.iter().map(|joint| joint.name.as_str()).collect::<Vec<_>>().join(", "),
        })
    }

    /// Orientation of each joint in the file's world, in one frame.
    ///
    /// Rotation channels apply in the order in which they are listed, the first one outermost.
    pub(super) fn globals(&self, frame: &[f64]) -> Vec<UnitQuaternion<f64>> {
        let mut globals: Vec<UnitQuaternion<f64>> = Vec::with_capacity(self.joints.len());
        let mut values = frame.iter();
        for joint in &self.joints {
            let mut global = joint.parent.map_or_else(UnitQuaternion::identity, |parent| globals[parent]);
            for (channel, value) in joint.channels.iter().zip(values.by_ref()) {
                if let Channel::Rotation(axis) = channel {
                    global *= UnitQuaternion::from_axis_angle(&Vector3::ith_axis(*axis), value.to_radians());
                }
            }
            globals.push(global);
        }
        globals
    }
}

/// The lines of a text that are not blank, with their numbers.
struct Lines<'a> {
    name: &'a str,
    lines: Vec<(usize, &'a str)>,
    next: usize,
}

impl<'a> Lines<'a> {
    /// The next line that is not blank.
    fn next(&mut self, expected: &str) -> Result<&'a str, DatasetError> {
        while let Some(&(_, line)) = self.lines.get(self.next) {
            self.next += 1;
            if !line.trim().is_empty() {
                return Ok(line.trim());
            }
        }
        self.next += 1;
        Err(self.error(format!("expected {expected}, got the end of the text")))
    }

    /// An error about the line that came last.
    fn error(&self, reason: String) -> DatasetError {
        DatasetError::Bvh { name: self.name.to_owned(), line: self.next.max(1), reason }
    }

    fn unexpected(&self, expected: impl Display, got: &str) -> DatasetError {
        let got: String = got.chars().take(60).collect();
        self.error(format!("expected {expected}, got '{got}'"))
    }

    /// A line of exactly this text.
    fn exactly(&mut self, expected: &str) -> Result<(), DatasetError> {
        match self.next(expected)? {
            line if line == expected => Ok(()),
            line => Err(self.unexpected(expected, line)),
        }
    }

    /// A line that is a label and one number.
    fn labelled<T: std::str::FromStr>(&mut self, label: &str) -> Result<T, DatasetError> {
        let line = self.next(label)?;
        let value = line.strip_prefix(label).and_then(|value| value.trim().parse().ok());
        value.ok_or_else(|| self.unexpected(format!("'{label}' and a number"), line))
    }
}

/// Reads from `HIERARCHY` to `MOTION`.
fn parse_hierarchy(lines: &mut Lines<'_>) -> Result<Vec<Joint>, DatasetError> {
    lines.exactly("HIERARCHY")?;
    let mut joints: Vec<Joint> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    loop {
        let line = lines.next("a joint, '}' or MOTION")?;
        let mut words = line.split_whitespace();
        match words.next() {
            Some("ROOT") if joints.is_empty() => open.push(begin_joint(lines, &mut joints, None, words)?),
            Some("JOINT") if !open.is_empty() => {
                let joint = begin_joint(lines, &mut joints, open.last().copied(), words)?;
                open.push(joint);
            }
            Some("End") if !open.is_empty() => {
                let parent = open[open.len() - 1];
                joints[parent].end = Some(parse_end(lines)?);
            }
            Some("}") if open.pop().is_some() => {}
            Some("MOTION") if open.is_empty() && !joints.is_empty() => return Ok(joints),
            _ if joints.is_empty() => return Err(lines.unexpected("ROOT", line)),
            _ if open.is_empty() => return Err(lines.unexpected("MOTION", line)),
            _ => return Err(lines.unexpected("JOINT, 'End Site' or '}'", line)),
        }
    }
}

fn begin_joint(
    lines: &mut Lines<'_>,
    joints: &mut Vec<Joint>,
    parent: Option<usize>,
    mut words: SplitWhitespace<'_>,
) -> Result<usize, DatasetError> {
    let Some(name) = words.next() else {
        return Err(lines.error("expected the joint's name".to_owned()));
    };
    if joints.len() == JOINT_LIMIT {
        return Err(lines.error(format!("expected at most {JOINT_LIMIT} joints")));
    }
    lines.exactly("{")?;
    let offset = parse_offset(lines)?;
    let channels = parse_channels(lines)?;
    joints.push(Joint { name: name.to_owned(), parent, offset, channels, end: None });
    Ok(joints.len() - 1)
}

fn parse_end(lines: &mut Lines<'_>) -> Result<Vector3<f64>, DatasetError> {
    lines.exactly("{")?;
    let offset = parse_offset(lines)?;
    lines.exactly("}")?;
    Ok(offset)
}

fn parse_offset(lines: &mut Lines<'_>) -> Result<Vector3<f64>, DatasetError> {
    let line = lines.next("OFFSET")?;
    let numbers = line.strip_prefix("OFFSET").map(|rest| rest.split_whitespace().map(str::parse).collect());
    match numbers {
        Some(Ok::<Vec<f64>, _>(numbers)) if numbers.len() == 3 => Ok(Vector3::from_column_slice(&numbers)),
        _ => Err(lines.unexpected("OFFSET and three numbers", line)),
    }
}

fn parse_channels(lines: &mut Lines<'_>) -> Result<Vec<Channel>, DatasetError> {
    let line = lines.next("CHANNELS")?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let (Some(&"CHANNELS"), Some(count)) = (words.first(), words.get(1).and_then(|word| word.parse::<usize>().ok()))
    else {
        return Err(lines.unexpected("CHANNELS and their number", line));
    };
    if words.len() - 2 != count {
        return Err(lines.error(format!("expected {count} channel names, got {}", words.len() - 2)));
    }
    words[2..]
        .iter()
        .map(|word| channel(word).ok_or_else(|| lines.unexpected("a channel such as Xrotation", word)))
        .collect()
}

fn channel(word: &str) -> Option<Channel> {
    let axis = |letter| "XYZ".find(letter);
    if let Some(letter) = word.strip_suffix("position") {
        return (letter.len() == 1).then(|| axis(letter)).flatten().map(Channel::Position);
    }
    let letter = word.strip_suffix("rotation")?;
    (letter.len() == 1).then(|| axis(letter)).flatten().map(Channel::Rotation)
}

fn parse_frames(lines: &mut Lines<'_>, count: usize, width: usize) -> Result<Vec<Vec<f64>>, DatasetError> {
    let mut frames = Vec::new();
    for frame in 0..count {
        let line = lines.next(&format!("frame {} of {count}", frame + 1))?;
        let values: Result<Vec<f64>, _> = line.split_whitespace().map(str::parse).collect();
        let values = values.map_err(|error| lines.error(format!("frame {}: {error}", frame + 1)))?;
        if values.len() != width {
            return Err(lines.error(format!("frame {}: expected {width} values, got {}", frame + 1, values.len())));
        }
        frames.push(values);
    }
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "HIERARCHY
ROOT hip
{
\tOFFSET 0 1 0
\tCHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation

\tJOINT knee
\t{
\t\tOFFSET 0 -0.5 0
\t\tCHANNELS 3 Yrotation Xrotation Zrotation
\t\tEnd Site
\t\t{
\t\t\tOFFSET 0 -0.4 0.1
\t\t}
\t}
}
MOTION
Frames: 2
Frame Time: 0.04
0 1 0 90 0 0 0 0 0
0 1 0 90 90 0 10 20 30\x20
";

    fn small() -> Bvh {
        Bvh::parse("small.bvh", SMALL).expect("a correct text")
    }

    fn reason(text: &str) -> (usize, String) {
        match Bvh::parse("bad.bvh", text) {
            Err(DatasetError::Bvh { line, reason, .. }) => (line, reason),
            other => panic!("expected a BVH error, got {other:?}"),
        }
    }

    #[test]
    fn hierarchy_and_motion_are_read() {
        let bvh = small();
        assert_eq!(bvh.joints.len(), 2);
        assert_eq!((bvh.joints[1].name.as_str(), bvh.joints[1].parent), ("knee", Some(0)));
        assert_eq!(bvh.joints[1].offset, Vector3::new(0.0, -0.5, 0.0));
        assert_eq!(bvh.joints[1].end, Some(Vector3::new(0.0, -0.4, 0.1)));
        assert_eq!(bvh.joints[1].channels, [Channel::Rotation(1), Channel::Rotation(0), Channel::Rotation(2)]);
        assert_eq!(bvh.joints[0].channels[..2], [Channel::Position(0), Channel::Position(1)]);
        assert_eq!((bvh.frames.len(), bvh.frame_time), (2, 0.04));
    }

    /// By hand: Z(90) takes x to y; Z(90) X(90) takes y to z and z to x.
    #[test]
    fn channels_apply_in_the_listed_order() {
        let bvh = small();
        let first = bvh.globals(&bvh.frames[0])[1] * Vector3::x();
        assert!((first - Vector3::y()).norm() < 1e-12, "{first}");
        let hip = bvh.globals(&bvh.frames[1])[0];
        assert!((hip * Vector3::y() - Vector3::z()).norm() < 1e-12, "{}", hip * Vector3::y());
        assert!((hip * Vector3::z() - Vector3::x()).norm() < 1e-12, "{}", hip * Vector3::z());
        let turn = |axis, degrees: f64| UnitQuaternion::from_axis_angle(&Vector3::ith_axis(axis), degrees.to_radians());
        let knee = hip * turn(1, 10.0) * turn(0, 20.0) * turn(2, 30.0);
        assert!(bvh.globals(&bvh.frames[1])[1].angle_to(&knee) < 1e-12);
    }

    #[test]
    fn errors_name_the_line_and_what_was_expected() {
        let cases = [
            ("OFFSET 0 -0.5 0", "OFFSET 0 -0.5", 9, "OFFSET and three numbers"),
            ("CHANNELS 3 Y", "CHANNELS 4 Y", 10, "expected 4 channel names, got 3"),
            ("Yrotation Xrotation Z", "Yrotation Wrotation Z", 10, "'Wrotation'"),
            ("Frames: 2", "Frames: two", 18, "'Frames:' and a number"),
            ("Frame Time: 0.04", "Frame Time: 0", 19, "positive frame time"),
            ("0 1 0 90 0 0 0 0 0", "0 1 0 90 0 0 0 0", 20, "expected 9 values, got 8"),
            ("0 1 0 90 0 0 0 0 0", "0 1 0 9O 0 0 0 0 0", 20, "invalid float"),
            ("JOINT knee", "JOIN knee", 7, "JOINT, 'End Site' or '}'"),
            ("HIERARCHY", "HIERARCHIE", 1, "expected HIERARCHY"),
        ];
        for (right, wrong, line, words) in cases {
            assert!(SMALL.contains(right), "{right}");
            let (got, reason) = reason(&SMALL.replacen(right, wrong, 1));
            assert!(got == line && reason.contains(words), "{wrong}: line {got}: {reason}");
        }
    }

    #[test]
    fn cut_off_texts_are_refused_wherever_the_cut_is() {
        let lines: Vec<&str> = SMALL.lines().collect();
        for count in 0..lines.len() {
            let (_, reason) = reason(&lines[..count].join("\n"));
            assert!(reason.contains("got the end of the text"), "after {count} lines: {reason}");
        }
    }

    #[test]
    fn a_missing_joint_is_named() {
        let error = small().index("spine").expect_err("there is none").to_string();
        assert!(error.contains("small.bvh") && error.contains("'spine'") && error.contains("hip, knee"), "{error}");
    }
}
