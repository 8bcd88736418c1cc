//! A parser for BVH, the Biovision hierarchy format.

use std::io::BufRead;
use std::str::FromStr;

use nalgebra::{UnitQuaternion, Vector3};

use super::DatasetError;
use super::lines::Lines;

/// More joints than any body has: a file that asks for more is damaged.
const JOINT_LIMIT: usize = 1024;

/// More channels than a joint has: places, turns and sizes.
const CHANNEL_LIMIT: usize = 9;

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

/// Most frames of a take, ten days at 120 a second; more than that is no number of frames.
const FRAME_LIMIT: usize = 100_000_000;

/// Frames a second that a user's own motion is thinned to, about.
const OWN_FPS: f64 = 30.0;

/// Which frames of a take are kept.
#[derive(Clone, Copy, Debug)]
pub(super) enum Thinning {
    /// Every frame whose number is divisible by it.
    Every(usize),
    /// As many as come nearest to thirty a second.
    ToOwnFps,
}

impl Bvh {
    /// Parses a whole text; `name` is for error messages.
    ///
    /// A value that is not a number of BVH but reads as one (`nan`, `inf`) is kept: the importer
    /// counts and drops such frames.
    #[cfg(test)]
    pub(super) fn parse(name: &str, text: &str) -> Result<Self, DatasetError> {
        Self::read(name, text.as_bytes(), Thinning::Every(1))
    }

    /// Reads a text frame by frame and keeps some of the frames, so that a take may be as long as it likes.
    pub(super) fn read(name: &str, reader: impl BufRead, thinning: Thinning) -> Result<Self, DatasetError> {
        let mut lines = Lines::new(name, reader);
        let joints = parse_hierarchy(&mut lines)?;
        let count: usize = labelled(&mut lines, "Frames:")?;
        if count > FRAME_LIMIT {
            return Err(lines.error(format!("expected at most {FRAME_LIMIT} frames, the limit, got {count}")));
        }
        let frame_time: f64 = labelled(&mut lines, "Frame Time:")?;
        if !(frame_time.is_finite() && frame_time > 0.0) {
            return Err(lines.error(format!("expected a positive frame time, got {frame_time}")));
        }
        let stride = match thinning {
            Thinning::Every(stride) => stride,
            Thinning::ToOwnFps => (1.0 / (OWN_FPS * frame_time)).round().clamp(1.0, 1000.0) as usize,
        };
        let frames = parse_frames(&mut lines, count, &joints, stride)?;
        Ok(Self { name: name.to_owned(), joints, frame_time: frame_time * stride as f64, frames })
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

/// A line of exactly this text, capitals or not.
fn exactly<R: BufRead>(lines: &mut Lines<'_, R>, expected: &str) -> Result<(), DatasetError> {
    let line = lines.next(expected)?;
    if line.eq_ignore_ascii_case(expected) { Ok(()) } else { Err(lines.unexpected(expected, &line)) }
}

/// A line that is a label and one number.
fn labelled<T: FromStr, R: BufRead>(lines: &mut Lines<'_, R>, label: &str) -> Result<T, DatasetError> {
    let line = lines.next(label)?;
    let begins = line.get(..label.len()).is_some_and(|start| start.eq_ignore_ascii_case(label));
    let value = if begins { line[label.len()..].trim().parse().ok() } else { None };
    value.ok_or_else(|| lines.unexpected(&format!("'{label}' and a number"), &line))
}

/// Reads from `HIERARCHY` to `MOTION`.
fn parse_hierarchy<R: BufRead>(lines: &mut Lines<'_, R>) -> Result<Vec<Joint>, DatasetError> {
    exactly(lines, "HIERARCHY")?;
    let mut joints: Vec<Joint> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    loop {
        let line = lines.next("a joint, '}' or MOTION")?;
        let (keyword, words) = line.split_once(char::is_whitespace).unwrap_or((&line, ""));
        match keyword.to_ascii_uppercase().as_str() {
            "ROOT" if joints.is_empty() => open.push(begin_joint(lines, &mut joints, None, words)?),
            "JOINT" if !open.is_empty() => {
                let joint = begin_joint(lines, &mut joints, open.last().copied(), words)?;
                open.push(joint);
            }
            "END" if !open.is_empty() => {
                let parent = open[open.len() - 1];
                joints[parent].end = Some(parse_end(lines, words.ends_with('{'))?);
            }
            "}" if open.pop().is_some() => {}
            "MOTION" if open.is_empty() && !joints.is_empty() => return Ok(joints),
            _ if joints.is_empty() => return Err(lines.unexpected("ROOT", &line)),
            _ if open.is_empty() => return Err(lines.unexpected("MOTION", &line)),
            _ => return Err(lines.unexpected("JOINT, 'End Site' or '}'", &line)),
        }
    }
}

/// `words`: what follows ROOT or JOINT, the name, blanks and all; a brace may stand on the same line.
fn begin_joint<R: BufRead>(
    lines: &mut Lines<'_, R>,
    joints: &mut Vec<Joint>,
    parent: Option<usize>,
    words: &str,
) -> Result<usize, DatasetError> {
    let name = words.trim_end_matches('{').trim().to_owned();
    if name.is_empty() {
        return Err(lines.error("expected the joint's name".to_owned()));
    }
    if joints.len() == JOINT_LIMIT {
        return Err(lines.error(format!("expected at most {JOINT_LIMIT} joints")));
    }
    if !words.ends_with('{') {
        exactly(lines, "{")?;
    }
    let offset = parse_offset(lines)?;
    let channels = parse_channels(lines)?;
    joints.push(Joint { name, parent, offset, channels, end: None });
    Ok(joints.len() - 1)
}

fn parse_end<R: BufRead>(lines: &mut Lines<'_, R>, is_open: bool) -> Result<Vector3<f64>, DatasetError> {
    if !is_open {
        exactly(lines, "{")?;
    }
    let offset = parse_offset(lines)?;
    exactly(lines, "}")?;
    Ok(offset)
}

fn parse_offset<R: BufRead>(lines: &mut Lines<'_, R>) -> Result<Vector3<f64>, DatasetError> {
    let line = lines.next("OFFSET")?;
    let fits = line.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("OFFSET"));
    if !fits || line[6..].split_whitespace().count() != 3 {
        return Err(lines.unexpected("OFFSET and three numbers", &line));
    }
    Ok(Vector3::from_column_slice(&lines.bounded(&line[6..], 3, "OFFSET")?))
}

fn parse_channels<R: BufRead>(lines: &mut Lines<'_, R>) -> Result<Vec<Channel>, DatasetError> {
    let line = lines.next("CHANNELS")?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let count = words.get(1).and_then(|word| word.parse::<usize>().ok());
    let Some(count) = count.filter(|_| words[0].eq_ignore_ascii_case("CHANNELS")) else {
        return Err(lines.unexpected("CHANNELS and their number", &line));
    };
    if count > CHANNEL_LIMIT {
        return Err(lines.error(format!("expected at most {CHANNEL_LIMIT} channels, got {count}")));
    }
    if words.len() - 2 != count {
        return Err(lines.error(format!("expected {count} channel names, got {}", words.len() - 2)));
    }
    words[2..]
        .iter()
        .map(|word| channel(word).ok_or_else(|| lines.unexpected("a channel such as Xrotation", word)))
        .collect()
}

fn channel(word: &str) -> Option<Channel> {
    let word = word.to_ascii_lowercase();
    let axis = "xyz".find(word.chars().next()?)?;
    match &word[1..] {
        "position" => Some(Channel::Position(axis)),
        "rotation" => Some(Channel::Rotation(axis)),
        _ => None,
    }
}

/// Reads all frames and keeps every `stride`-th.
fn parse_frames<R: BufRead>(
    lines: &mut Lines<'_, R>,
    count: usize,
    joints: &[Joint],
    stride: usize,
) -> Result<Vec<Vec<f64>>, DatasetError> {
    let width = joints.iter().map(|joint| joint.channels.len()).sum();
    let mut frames = Vec::new();
    for frame in 0..count {
        let line = lines.next(&format!("frame {} of {count}", frame + 1))?;
        let values = lines.numbers(&line, width, &format!("frame {}", frame + 1))?;
        if frame % stride == 0 {
            frames.push(values);
        }
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
            ("0 1 0 90 0 0 0 0 0", "0 1 0 9O 0 0 0 0 0", 20, "got '9O'"),
            ("0 1 0 90 0 0 0 0 0", "0 1 0 90 0 0 0.400-7.5094 0 0", 20, "expected a number, got '0.400-7.5094'"),
            ("Frames: 2", "Frames: 100000001", 18, "the limit"),
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

    /// As 3ds Max, Blender and editors of Windows write it.
    #[test]
    fn other_ways_to_write_the_same_are_read() {
        let text = SMALL.replace("JOINT knee\n\t{", "JOINT Bip01 L Calf {").replace("End Site\n\t\t{", "End site {");
        let text = text.replace("Yrotation Xrotation", "YROTATION xrotation").replace('\n', "\r\n");
        let bvh = Bvh::parse("max.bvh", &format!("\u{feff}{text}")).expect("a correct text");
        assert_eq!(bvh.joints[1].name, "Bip01 L Calf");
        assert_eq!(bvh.frames, small().frames);
    }

    #[test]
    fn long_takes_are_thinned_as_they_are_read() {
        let frame = "0 1 0 90 0 0 0 0 0\n";
        let head = SMALL.split("Frames:").next().expect("there is one");
        let text = format!("{head}Frames: 5000\nFrame Time: 0.008333\n{}", frame.repeat(5000));
        let bvh = Bvh::read("long.bvh", text.as_bytes(), Thinning::ToOwnFps).expect("a correct text");
        assert_eq!(bvh.frames.len(), 1250);
        assert!((1.0 / bvh.frame_time - 30.0).abs() < 0.1);
    }

    #[test]
    fn a_missing_joint_is_named() {
        let error = small().index("spine").expect_err("there is none").to_string();
        assert!(error.contains("small.bvh") && error.contains("'spine'") && error.contains("hip, knee"), "{error}");
    }
}
