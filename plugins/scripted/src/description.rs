//! `task.yaml`: what a task reads and writes, as it is written, checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Formatter};
use std::path::Path;

use serde::de::{self, IntoDeserializer, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use thalweg_gan_inversion::Lpips;
use thalweg_nn::{NnError, files};
use thalweg_task::{
    Bone, ImageSpec, JointGroup, JointSpec, PointsSpec, SkeletonSpec, TaskError, first_line, limits, nearest, printable,
};

/// The description in the folder.
pub const FILE: &str = "task.yaml";
/// Most bytes of it.
const MOST_BYTES: u64 = 1 << 20;
/// Largest latent X.
const MOST_LATENT: i64 = 4096;
/// Most named points: their names are kept one by one.
const MOST_POINTS: usize = 4096;
/// Most groups of joints, and bones.
const MOST_PARTS: usize = 4096;
/// Longest side of an image, and most numbers in one.
const MOST_SIDE: i64 = 4096;
const MOST_PIXELS: i64 = 1 << 24;
/// Longest name, bytes.
const MOST_NAME: usize = 256;
/// Weights of what is compared.
const WEIGHT: std::ops::RangeInclusive<f64> = 1e-6..=1e6;
/// Limits of joints, rad or m.
const LIMIT: std::ops::RangeInclusive<f64> = -1e6..=1e6;
/// Layers of a perceptron.
const MOST_LAYERS: usize = 64;

/// What was looked at, or one sentence about what is wrong with it.
type Checked<T> = Result<T, String>;

/// A task as its folder describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Name of the model, in messages.
    pub name: String,
    /// What it does, in a line.
    #[serde(default)]
    pub summary: String,
    /// Dimension X of the latent.
    pub latent: i64,
    /// Prior of the latent: the standard normal distribution, and no other.
    #[serde(default)]
    pub prior: Prior,
    /// Joints, in the order in which F gives them.
    #[serde(default)]
    pub joints: Vec<Joint>,
    /// The image.
    pub image: Option<Image>,
    /// The points.
    pub points: Option<Points>,
    /// Joints that belong together, by name.
    #[serde(default)]
    pub groups: BTreeMap<String, Vec<String>>,
    /// How the points hang together.
    pub skeleton: Option<Skeleton>,
    /// What compares: one word, or several of those that are built in.
    #[serde(default, deserialize_with = "one_or_several")]
    pub objective: Vec<Comparison>,
    /// Layers of F, where it is dense layers with leaky rectifiers between them and nothing else.
    pub perceptron: Option<Layers>,
}

/// The distribution of latents.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Prior {
    /// N(0, I).
    #[default]
    StandardNormal,
}

/// What compares F's output with what was seen.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// Weighted differences, squared; whatever was not seen counts nothing. This is so of all that nothing else is said of.
    Squares,
    /// The chord of all joints that turn.
    Chord,
    /// The image by LPIPS, too, beside its differences.
    Lpips,
    /// `objective.ts`, and nothing else.
    File,
}

/// A joint.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Joint {
    /// Name, as in `sensor_msgs/JointState`.
    pub name: String,
    /// rad or m.
    #[serde(default = "rad")]
    pub unit: String,
    /// Least position.
    pub lower: f64,
    /// Greatest position.
    pub upper: f64,
    /// Factor of its difference: one over the deviation that is expected of a reading.
    #[serde(default = "one")]
    pub weight: f64,
    /// How it is compared.
    #[serde(default)]
    pub compare: Compare,
}

/// How a joint is compared, d being what lies between F and the reading.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Compare {
    /// By d.
    #[default]
    Difference,
    /// By the chord 2 sin(d / 2), so that whole turns count nothing.
    Chord,
}

/// An image.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Channels.
    pub channels: i64,
    /// Rows.
    pub height: i64,
    /// Columns.
    pub width: i64,
    /// Factor of differences of brightness.
    #[serde(default = "one")]
    pub weight: f64,
    /// Factor of LPIPS's features; none where LPIPS is not compared.
    pub lpips: Option<f64>,
}

/// Points.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Points {
    /// Frame in which they are, metres.
    pub frame: String,
    /// One name each, in the order in which F gives them.
    pub names: Vec<String>,
    /// Factor of distances.
    #[serde(default = "one")]
    pub weight: f64,
}

/// How points hang together.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skeleton {
    /// Bones, from the root outward.
    pub bones: Vec<Link>,
}

/// A bone between two points.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Point of its root; none is the origin of the frame.
    pub from: Option<String>,
    /// Point of its tip.
    pub to: String,
    /// Joints that turn it.
    #[serde(default)]
    pub joints: Vec<String>,
}

/// Dense layers in the module, by name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layers {
    /// Slope of the leaky rectifiers below zero.
    pub slope: f64,
    /// Modules that hold `weight` and `bias`, from the latent on.
    pub layers: Vec<String>,
}

/// Reads a word, or a list of them.
fn one_or_several<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Comparison>, D::Error> {
    struct Words;

    impl<'de> Visitor<'de> for Words {
        type Value = Vec<Comparison>;

        fn expecting(&self, text: &mut Formatter<'_>) -> fmt::Result {
            text.write_str("squares, chord, lpips or file, or a list of the first three")
        }

        fn visit_str<E: de::Error>(self, word: &str) -> Result<Self::Value, E> {
            Comparison::deserialize(word.into_deserializer()).map(|comparison| vec![comparison])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut words: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(comparison) = words.next_element()? {
                all.push(comparison);
            }
            Ok(all)
        }
    }

    from.deserialize_any(Words)
}

fn one() -> f64 {
    1.0
}

fn rad() -> String {
    "rad".to_owned()
}

/// Complains unless something holds.
fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Checked<()> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

impl Description {
    /// Reads the description of a folder.
    ///
    /// # Errors
    /// [`NnError::Io`] or [`NnError::Weights`] about its file, with the line where the text does not parse.
    pub fn read(folder: &Path) -> thalweg_task::Result<Self> {
        let path = folder.join(FILE);
        let text = files::read_text(&path, MOST_BYTES);
        let text = text.map_err(|source| TaskError::Weights(NnError::Io { path: path.clone(), source }))?;
        Self::parse(&text).map_err(|reason| TaskError::Weights(NnError::Weights { path, reason }))
    }

    /// Reads a text; refuses in words what does not describe a task.
    ///
    /// # Errors
    /// One sentence: what came, and what was expected.
    pub fn parse(text: &str) -> Checked<Self> {
        // The parser draws the place in further lines.
        let read: Self =
            serde_saphyr::from_str(text).map_err(|error| printable(first_line(&error.to_string())).into_owned())?;
        read.check()?;
        Ok(read)
    }

    fn check(&self) -> Checked<()> {
        check_name("name", &self.name)?;
        let latent = self.latent;
        expect((1..=MOST_LATENT).contains(&latent), || format!("latent: got {latent}, expected 1 to {MOST_LATENT}"))?;
        let something = !self.joints.is_empty() || self.image.is_some() || self.points.is_some();
        expect(something, || "expected joints, an image or points, got none of them".to_owned())?;
        self.check_joints()?;
        self.check_image()?;
        self.check_points()?;
        expect(self.groups.len() <= MOST_PARTS, || format!("groups: expected at most {MOST_PARTS}"))?;
        self.groups()?;
        self.skeleton()?;
        self.check_objective()?;
        self.check_layers()
    }

    fn check_objective(&self) -> Checked<()> {
        let has = |comparison| self.objective.contains(&comparison);
        let once = |word: &Comparison| self.objective.iter().filter(|other| *other == word).count() == 1;
        expect(self.objective.iter().all(once), || "objective: a word is there twice".to_owned())?;
        expect(!has(Comparison::File) || self.objective.len() == 1, || {
            "objective: file compares all there is, and stands alone".to_owned()
        })?;
        expect(!has(Comparison::Chord) || self.joints.iter().any(|joint| joint.unit == "rad"), || {
            "objective: chord compares joints in rad, and there are none".to_owned()
        })?;
        let weight = self.image.as_ref().and_then(|image| image.lpips);
        expect(weight.is_none() || has(Comparison::Lpips), || {
            "image: lpips: got a weight, expected lpips in `objective`, too".to_owned()
        })?;
        if !has(Comparison::Lpips) {
            return Ok(());
        }
        let least = Lpips::LEAST_SIDE;
        let Some(Image { channels, height, width, .. }) = &self.image else {
            return Err("objective: lpips compares an image, and there is none".to_owned());
        };
        expect([1, 3].contains(channels) && least <= *height.min(width), || {
            format!(
                "objective: lpips: got an image of {channels} channels of {height} x {width}, expected 1 or 3 of at least \
                 {least} x {least}"
            )
        })?;
        check_weight("image: lpips", weight.unwrap_or(1.0))
    }

    /// Factor of LPIPS's features; none where LPIPS is not compared.
    #[must_use]
    pub fn lpips(&self) -> Option<f64> {
        let is_compared = self.objective.contains(&Comparison::Lpips);
        self.image.as_ref().filter(|_| is_compared).map(|image| image.lpips.unwrap_or(1.0))
    }

    /// Whether the objective is in a file.
    #[must_use]
    pub fn is_of_file(&self) -> bool {
        self.objective.contains(&Comparison::File)
    }

    /// Places of the joints that are compared by their chord.
    #[must_use]
    pub fn chords(&self) -> Vec<usize> {
        let all = self.objective.contains(&Comparison::Chord);
        let is_chord = |joint: &Joint| joint.compare == Compare::Chord || (all && joint.unit == "rad");
        (0..).zip(&self.joints).filter(|(_, joint)| is_chord(joint)).map(|(place, _)| place).collect()
    }

    fn check_joints(&self) -> Checked<()> {
        let most = limits::JOINTS as usize;
        expect(self.joints.len() <= most, || format!("joints: got {}, expected at most {most}", self.joints.len()))?;
        check_names("joint", self.joints.iter().map(|joint| joint.name.as_str()))?;
        for Joint { name, unit, lower, upper, weight, compare } in &self.joints {
            expect(unit == "rad" || unit == "m", || {
                format!("joint {name}: unit: got '{}', expected rad or m", printable(unit))
            })?;
            expect(LIMIT.contains(lower) && LIMIT.contains(upper) && lower < upper, || {
                format!("joint {name}: got lower {lower} and upper {upper}, expected -1e6 <= lower < upper <= 1e6")
            })?;
            check_weight(&format!("joint {name}"), *weight)?;
            expect(*compare == Compare::Difference || unit == "rad", || {
                format!("joint {name}: compare: got chord of a joint in {unit}, expected one in rad")
            })?;
        }
        Ok(())
    }

    fn check_image(&self) -> Checked<()> {
        let Some(Image { channels, height, width, weight, .. }) = &self.image else { return Ok(()) };
        let sides = [(*channels, i64::from(limits::CHANNELS)), (*height, MOST_SIDE), (*width, MOST_SIDE)];
        let fits = sides.iter().all(|(size, most)| (1..=*most).contains(size));
        expect(fits && channels * height * width <= MOST_PIXELS, || {
            format!(
                "image: got {channels} channels of {height} x {width}, expected 1 to {} of at most {MOST_SIDE} x \
                 {MOST_SIDE}, and {MOST_PIXELS} numbers in all",
                limits::CHANNELS
            )
        })?;
        check_weight("image", *weight)
    }

    fn check_points(&self) -> Checked<()> {
        let Some(Points { frame, names, weight }) = &self.points else { return Ok(()) };
        check_name("points: frame", frame)?;
        expect((1..=MOST_POINTS).contains(&names.len()), || {
            format!("points: got {} names, expected 1 to {MOST_POINTS}", names.len())
        })?;
        check_names("point", names.iter().map(String::as_str))?;
        check_weight("points", *weight)
    }

    fn check_layers(&self) -> Checked<()> {
        let Some(Layers { slope, layers }) = &self.perceptron else { return Ok(()) };
        expect((0.0..1.0).contains(slope), || format!("perceptron: slope: got {slope}, expected 0 to below 1"))?;
        expect((1..=MOST_LAYERS).contains(&layers.len()), || {
            format!("perceptron: got {} layers, expected 1 to {MOST_LAYERS}", layers.len())
        })?;
        expect(layers.iter().all(|name| name.len() <= MOST_NAME), || "perceptron: a name is too long".to_owned())
    }

    /// Groups of joints, as places.
    ///
    /// # Errors
    /// One sentence about a joint that there is not.
    pub fn groups(&self) -> Checked<Vec<JointGroup>> {
        let group = |(name, joints): (&String, &Vec<String>)| {
            check_name("group", name)?;
            let joints: Vec<usize> =
                joints.iter().map(|joint| self.joint(&format!("group {name}"), joint)).collect::<Checked<_>>()?;
            expect(!joints.is_empty(), || format!("group {name}: expected joints, got none"))?;
            Ok(JointGroup { name: name.clone(), joints })
        };
        self.groups.iter().map(group).collect()
    }

    fn joint(&self, of: &str, name: &str) -> Checked<usize> {
        let names = || self.joints.iter().map(|joint| joint.name.as_str());
        let place = names().position(|known| known == name);
        place.ok_or_else(|| format!("{of}: no joint '{}'{}", printable(name), nearest(name, names())))
    }

    /// The skeleton, as places.
    ///
    /// # Errors
    /// One sentence about a point or a joint that there is not.
    pub fn skeleton(&self) -> Checked<Option<SkeletonSpec>> {
        let Some(skeleton) = &self.skeleton else { return Ok(None) };
        let Some(points) = &self.points else { return Err("skeleton: expected points for its bones".to_owned()) };
        expect(skeleton.bones.len() <= MOST_PARTS, || format!("skeleton: expected at most {MOST_PARTS} bones"))?;
        let point = |name: &String| {
            let names = || points.names.iter().map(String::as_str);
            let place = names().position(|known| known == name);
            place.ok_or_else(|| format!("skeleton: no point '{}'{}", printable(name), nearest(name, names())))
        };
        let bone = |Link { from, to, joints }: &Link| {
            let joints = joints.iter().map(|joint| self.joint("skeleton", joint)).collect::<Checked<_>>()?;
            Ok(Bone { from: from.as_ref().map(point).transpose()?, to: point(to)?, joints })
        };
        let bones = skeleton.bones.iter().map(bone).collect::<Checked<_>>()?;
        Ok(Some(SkeletonSpec { frame: points.frame.clone(), bones }))
    }

    /// Joints as the engine has them.
    #[must_use]
    pub fn joint_specs(&self) -> Vec<JointSpec> {
        let spec = |joint: &Joint| JointSpec {
            name: joint.name.clone(),
            unit: joint.unit.clone(),
            lower: joint.lower,
            upper: joint.upper,
        };
        self.joints.iter().map(spec).collect()
    }

    /// The image as the engine has it.
    #[must_use]
    pub fn image_spec(&self) -> Option<ImageSpec> {
        self.image.as_ref().map(|image| ImageSpec {
            channels: image.channels,
            height: image.height,
            width: image.width,
        })
    }

    /// Points as the engine has them.
    #[must_use]
    pub fn points_spec(&self) -> Option<PointsSpec> {
        self.points.as_ref().map(|points| PointsSpec {
            names: points.names.clone(),
            frame: points.frame.clone(),
            tracker: None,
            cloud: 0,
            rays: false,
        })
    }

    /// Numbers of joints, of an image and of points in a row of F's output, in this order.
    #[must_use]
    pub fn widths(&self) -> [i64; 3] {
        let image = self.image.as_ref().map_or(0, |image| image.channels * image.height * image.width);
        let points = self.points.as_ref().map_or(0, |points| 3 * points.names.len() as i64);
        [self.joints.len() as i64, image, points]
    }
}

fn check_weight(what: &str, weight: f64) -> Checked<()> {
    expect(WEIGHT.contains(&weight), || {
        format!("{what}: weight: got {weight}, expected {:e} to {:e}", WEIGHT.start(), WEIGHT.end())
    })
}

fn check_name(what: &str, name: &str) -> Checked<()> {
    let is_name = !name.trim().is_empty() && name.len() <= MOST_NAME && !name.chars().any(char::is_control);
    expect(is_name, || {
        let shown: String = name.chars().take(40).collect();
        format!("{what}: got '{}', expected a name of 1 to {MOST_NAME} bytes", printable(&shown))
    })
}

fn check_names<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Checked<()> {
    let mut seen = BTreeSet::new();
    for name in names {
        check_name(what, name)?;
        expect(seen.insert(name), || format!("{what} '{name}' is there twice"))?;
    }
    Ok(())
}
