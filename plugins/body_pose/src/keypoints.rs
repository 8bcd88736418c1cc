//! Tables of keypoints: what a tracker calls the points that it sends, and where on the body they are.

use std::path::Path;

use serde::Deserialize;
use thalweg_nn::files::read_text;
use thalweg_task::{Keypoint, Result, TaskError, Tracker, nearest};

use crate::skeleton::{JOINTS, NAMES};

/// A shipped table: its name, and the file.
type Shipped = (&'static str, &'static str);

/// Names a file of `launch/keypoints`.
macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../launch/keypoints/", $name, ".yaml")))),*]
    };
}

/// The tables that come with the program.
pub(crate) const SHIPPED: [Shipped; 13] = shipped![
    "joints",
    "mediapipe_33",
    "openpose_body_25",
    "coco_17",
    "azure_kinect_32",
    "zed_body_18",
    "zed_body_34",
    "zed_body_38",
    "smpl_24",
    "openxr_fb_70",
    "xsens_23",
    "nuitrack_25",
    "rep155",
];

/// Bytes of a table at most.
const MOST_BYTES: u64 = 1 << 20;
/// Keypoints of a table at most.
const MOST_KEYPOINTS: usize = 256;
/// Farthest that a keypoint may be from the joint that carries it, metres.
const REACH: f64 = 1.0;
/// Range of a keypoint's weight; one that means less means none.
const WEIGHT: std::ops::RangeInclusive<f64> = 1e-3..=1e3;
/// Metres that a unit of a tracker may be: from micrometres to kilometres.
const UNIT: std::ops::RangeInclusive<f64> = 1e-6..=1e3;

/// A point of the body that is no joint: it is fixed to one, or to the pelvis.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    /// The tracker's name of it.
    pub name: String,
    /// The joint that carries it; none is the pelvis.
    pub joint: Option<usize>,
    /// Its place in that joint's frame at rest, metres.
    pub offset: [f64; 3],
}

/// A table, read and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// How the tracker's messages say the points: those of a task are pelvis and joints, then the leaves.
    pub tracker: Tracker,
    /// The points that are no joints.
    pub leaves: Vec<Leaf>,
    /// How much each point counts beside the others, `[22 + leaves]`; 1 where the table says nothing.
    pub weights: Vec<f64>,
}

/// A table as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(rename = "summary")]
    _summary: String,
    #[serde(rename = "source", default)]
    _source: String,
    #[serde(default = "one")]
    unit: f64,
    #[serde(default = "axes")]
    axes: [String; 3],
    #[serde(default)]
    unseen: Unseen,
    #[serde(default)]
    confidence: Option<Confidence>,
    #[serde(default)]
    ids_per_body: u32,
    keypoints: Vec<Line>,
}

/// How a tracker says that it has not seen a point; one that is not finite never is.
#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Unseen {
    /// By numbers that are not finite, and by nothing else.
    #[default]
    Nan,
    /// By 0 0 0, too.
    Zeros,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Confidence {
    field: String,
    least: f64,
    #[serde(default = "one")]
    greatest: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: u32,
    name: String,
    at: Option<String>,
    #[serde(default)]
    offset: Option<[f64; 3]>,
    #[serde(default = "one")]
    weight: f64,
}

fn one() -> f64 {
    1.0
}

fn axes() -> [String; 3] {
    ["x", "y", "z"].map(str::to_owned)
}

impl Table {
    /// Finds a table: a shipped one by its name, or a file.
    ///
    /// # Errors
    /// [`TaskError::Parameter`] where there is none, or where it is no table.
    pub fn find(named: &str) -> Result<Self> {
        let refusal =
            |expected: String| TaskError::Parameter { name: PARAMETER.into(), got: named.to_owned(), expected };
        if let Some((_, text)) = SHIPPED.iter().find(|(name, _)| *name == named) {
            return Self::read(text).map_err(refusal);
        }
        if !named.ends_with(".yaml") && !named.ends_with(".yml") {
            let names = SHIPPED.map(|(name, _)| name).join(", ");
            let hint = nearest(named, SHIPPED.iter().map(|(name, _)| *name));
            return Err(refusal(format!("one of {names}, or the path of a .yaml file{hint}")));
        }
        let text = read_text(Path::new(named), MOST_BYTES)
            .map_err(|error| refusal(format!("a text file that can be read: {error}")))?;
        Self::read(&text).map_err(refusal)
    }

    /// Reads a table; refuses in words what is none.
    fn read(text: &str) -> std::result::Result<Self, String> {
        let written: Written = serde_saphyr::from_str(text)
            .map_err(|error| format!("a table of keypoints: {}", thalweg_task::printable(&error.to_string())))?;
        written.check()?;
        let mut table = Self {
            tracker: Tracker {
                keypoints: Vec::new(),
                axes: written.matrix()?,
                zeros_are_unseen: written.unseen == Unseen::Zeros,
                confidence: written.confidence.as_ref().map(|confidence| confidence.field.clone()),
                confidence_range: written.confidence.as_ref().map_or([0.0, 1.0], |c| [c.least, c.greatest]),
                ids_per_body: written.ids_per_body,
            },
            leaves: Vec::new(),
            weights: vec![1.0; JOINTS + 1],
        };
        for line in written.keypoints {
            table.add(line)?;
        }
        Ok(table)
    }

    fn add(&mut self, line: Line) -> std::result::Result<(), String> {
        let Line { id, name, at, offset, weight } = line;
        let known = &self.tracker.keypoints;
        if name.is_empty() || name.len() > 256 || known.iter().any(|other| other.name == name || other.id == id) {
            return Err(format!(
                "keypoints of different names and numbers, and '{name}' ({id}) comes twice, or has none"
            ));
        }
        let point = at.map(|at| self.point(&name, &at, offset, weight)).transpose()?;
        self.tracker.keypoints.push(Keypoint { name, id, point });
        Ok(())
    }

    /// Finds the task's point that a keypoint is, or adds it.
    fn point(
        &mut self,
        name: &str,
        at: &str,
        offset: Option<[f64; 3]>,
        weight: f64,
    ) -> std::result::Result<usize, String> {
        let joint = match at {
            "pelvis" => None,
            _ => Some(NAMES.iter().position(|known| *known == at).ok_or_else(|| {
                let hint = nearest(at, NAMES.iter().copied().chain(["pelvis"]));
                format!("keypoint '{name}' at pelvis or a joint, got '{at}'{hint}")
            })?),
        };
        if !WEIGHT.contains(&weight) {
            return Err(format!(
                "weights from {} to {}, and that of '{name}' is {weight}",
                WEIGHT.start(),
                WEIGHT.end()
            ));
        }
        let Some(offset) = offset else {
            let point = joint.map_or(0, |joint| joint + 1);
            if self.tracker.keypoints.iter().any(|other| other.point == Some(point)) {
                return Err(format!(
                    "one keypoint at each joint, and '{name}' is the second at '{at}': give it an offset"
                ));
            }
            self.weights[point] = weight;
            return Ok(point);
        };
        if !offset.iter().all(|entry| entry.abs() <= REACH) {
            return Err(format!("offsets up to {REACH} m, and that of '{name}' is {offset:?}"));
        }
        if NAMES.contains(&name) || name == "pelvis" {
            return Err(format!("keypoint '{name}' without an offset, for it is one of our points"));
        }
        self.leaves.push(Leaf { name: name.to_owned(), joint, offset });
        self.weights.push(weight);
        Ok(self.weights.len() - 1)
    }
}

/// Name of the parameter that names a table.
pub(crate) const PARAMETER: &str = "keypoints";

impl Written {
    fn check(&self) -> std::result::Result<(), String> {
        let count = self.keypoints.len();
        if !(1..=MOST_KEYPOINTS).contains(&count) {
            return Err(format!("1 to {MOST_KEYPOINTS} keypoints, got {count}"));
        }
        if !self.keypoints.iter().any(|line| line.at.is_some()) {
            return Err("a keypoint that is `at` one of our joints, got none".to_owned());
        }
        if !UNIT.contains(&self.unit) {
            return Err(format!("a unit of {:e} to {} m, got {}", UNIT.start(), UNIT.end(), self.unit));
        }
        match &self.confidence {
            Some(Confidence { least, greatest, .. }) if !(0.0 <= *least && least < greatest && *greatest <= 1e6) => {
                Err(format!("a confidence with 0 <= least < greatest, got {least} and {greatest}"))
            }
            _ => Ok(()),
        }
    }

    /// What brings a point into a right-handed frame in metres: the rows are what becomes x, y and z.
    fn matrix(&self) -> std::result::Result<[[f64; 3]; 3], String> {
        let expected =
            || format!("axes x, y and z in any order, each perhaps with a minus, got {}", self.axes.join(", "));
        let mut matrix = [[0.0; 3]; 3];
        for (row, axis) in matrix.iter_mut().zip(&self.axes) {
            let (sign, letter) = axis.strip_prefix('-').map_or((1.0, axis.as_str()), |letter| (-1.0, letter));
            let column = ["x", "y", "z"].iter().position(|known| *known == letter).ok_or_else(expected)?;
            row[column] = sign * self.unit;
        }
        let is_taken = |column: usize| matrix.iter().filter(|row| row[column] != 0.0).count() == 1;
        if (0..3).all(is_taken) { Ok(matrix) } else { Err(expected()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "summary: a tracker\nkeypoints:\n";

    fn refused(text: &str) -> String {
        Table::read(text).expect_err("refused")
    }

    #[test]
    fn every_shipped_table_is_one() {
        for (name, _) in SHIPPED {
            let table = Table::find(name).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(table.weights.len(), JOINTS + 1 + table.leaves.len(), "{name}");
        }
    }

    #[test]
    fn lines_become_points() {
        let text = format!(
            "{HEAD}- {{id: 4, name: Nose, at: head, offset: [0, 0.1, 0.2], weight: 0.5}}\n\
             - {{id: 2, name: LWrist, at: left_wrist}}\n- {{id: 9, name: Root}}\n"
        );
        let table = Table::read(&text).expect("a table");
        assert_eq!(table.leaves, [Leaf { name: "Nose".into(), joint: Some(14), offset: [0.0, 0.1, 0.2] }]);
        let keypoints: Vec<_> = table.tracker.keypoints.iter().map(|keypoint| (keypoint.id, keypoint.point)).collect();
        assert_eq!(keypoints, [(4, Some(22)), (2, Some(20)), (9, None)]);
        assert_eq!((table.weights.len(), table.weights[22]), (23, 0.5));
    }

    #[test]
    fn axes_and_units_become_a_matrix() {
        let text = format!("unit: 0.001\naxes: [x, -z, y]\n{HEAD}- {{id: 1, name: a, at: head}}\n");
        let table = Table::read(&text).expect("a table");
        assert_eq!(table.tracker.axes, [[0.001, 0.0, 0.0], [0.0, 0.0, -0.001], [0.0, 0.001, 0.0]]);
    }

    #[test]
    fn what_is_no_table_is_refused_in_words() {
        let line = "- {id: 1, name: a, at: head}\n";
        let cases = [
            (format!("{HEAD}{line}{line}"), "comes twice"),
            (format!("{HEAD}{line}- {{id: 2, name: b, at: head}}\n"), "give it an offset"),
            (format!("{HEAD}- {{id: 1, name: a, at: haed}}\n"), "nearest known name is 'head'"),
            (format!("{HEAD}- {{id: 1, name: a}}\n"), "got none"),
            (format!("{HEAD}- {{id: 1, name: a, at: head, weight: 0}}\n"), "that of 'a' is 0"),
            (format!("{HEAD}- {{id: 1, name: a, at: head, offset: [0, .inf, 0]}}\n"), "offsets up to 1 m"),
            (format!("{HEAD}- {{id: 1, name: head, at: neck, offset: [0, 0, 0]}}\n"), "one of our points"),
            (format!("axes: [x, x, z]\n{HEAD}{line}"), "got x, x, z"),
            (format!("unit: 0\n{HEAD}{line}"), "got 0"),
            (format!("confidence: {{field: c, least: 2}}\n{HEAD}{line}"), "got 2 and 1"),
            (format!("colour: red\n{HEAD}{line}"), "a table of keypoints"),
        ];
        for (text, expected) in cases {
            let got = refused(&text);
            assert!(got.contains(expected), "{got}, expected {expected}");
        }
        let error = Table::find("mediapipe").expect_err("no such table").to_string();
        assert!(error.contains("'mediapipe_33'"), "{error}");
        let error = Table::find("/nowhere/table.yaml").expect_err("no such file").to_string();
        assert!(error.contains("/nowhere/table.yaml") && error.contains("can be read"), "{error}");
    }
}
