//! What a descent sees of an observation.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};
use thalweg_task::{ImageSpec, PointsSpec, TaskSpec};

use super::MaskOptions;
use super::patch::Patch;

/// Most limbs that are hidden together: both arms and both legs leave no more than trunk and head.
const MOST_LIMBS: usize = 2;
/// Greatest share of single joints that is hidden together, where all shares up to it are equally
/// likely: 0.3 on the average, as in published protocols of random masking.
const MOST_JOINTS: f64 = 0.6;
/// The group that leaves the end effectors visible only, by the name that tasks give it.
const END_EFFECTORS: &str = "end_effectors_only";

/// A kind of gap.
#[derive(Clone, Copy, Debug)]
enum Form {
    Whole,
    Limbs,
    Joints,
    EndEffectors,
}

/// Which joints and points of one row are visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visible {
    /// One for each of the task's joints.
    pub joints: Vec<bool>,
    /// One for each of the task's points.
    pub points: Vec<bool>,
    /// What a gap does to the image, where there is a gap and an image.
    pub image: Option<Patch>,
}

/// Draws what is visible, for one task.
#[derive(Debug)]
pub struct Masks {
    shares: [(Form, f64); 4],
    /// How many joints there are.
    joints: usize,
    /// How many points there are.
    points: usize,
    /// Groups that contain other groups.
    limbs: Vec<Vec<usize>>,
    /// The smallest groups; without any, each joint alone.
    single: Vec<Vec<usize>>,
    /// What is hidden when only end effectors are seen.
    inner: Option<Vec<usize>>,
    /// The image, where the task has one.
    image: Option<ImageSpec>,
}

impl Masks {
    /// Reads the task's groups. The shares of gaps that the task cannot have go to random joints.
    #[must_use]
    pub fn new(options: &MaskOptions, spec: &TaskSpec) -> Self {
        let (limbs, single) = split_groups(spec);
        let inner = spec.groups.iter().find(|group| group.name == END_EFFECTORS).map(|group| group.joints.clone());
        let MaskOptions { whole, limbs: limb_share, joints, end_effectors } = *options;
        let given = |is_there: bool, share: f64| if is_there { (share, 0.0) } else { (0.0, share) };
        let (limb_share, rest) = given(!limbs.is_empty(), limb_share);
        let (end_share, more) = given(inner.is_some() || spec.image.is_some(), end_effectors);
        let shares = [
            (Form::Whole, whole),
            (Form::Limbs, limb_share),
            (Form::Joints, joints + rest + more),
            (Form::EndEffectors, end_share),
        ];
        let points = spec.points.as_ref().map_or(0, PointsSpec::count);
        Self { shares, joints: spec.joints.len(), points, limbs, single, inner, image: spec.image }
    }

    /// Whether nothing is ever hidden.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.shares.iter().all(|(form, share)| matches!(form, Form::Whole) || *share == 0.0)
    }

    /// Draws what one row shows: of joints, and of points, at least one each.
    pub fn draw(&self, random: &mut StdRng) -> Visible {
        let form = self.shares.choose_weighted(random, |(_, share)| *share).map_or(Form::Whole, |(form, _)| *form);
        let hidden = match form {
            Form::Whole => {
                return Visible { joints: vec![true; self.joints], points: vec![true; self.points], image: None };
            }
            Form::Limbs => self.some_limbs(random),
            Form::Joints => some(self.single.len(), random).into_iter().flat_map(|index| &self.single[index]).collect(),
            Form::EndEffectors => self.inner.iter().flatten().collect(),
        };
        let mut joints = vec![true; self.joints];
        hidden.into_iter().for_each(|&joint| joints[joint] = false);
        let mut points = vec![true; self.points];
        some(self.points, random).into_iter().for_each(|point| points[point] = false);
        reveal_one(&mut joints, random);
        let image = self.image.map(|image| Patch::draw(&image, matches!(form, Form::EndEffectors), random));
        Visible { joints, points, image }
    }

    fn some_limbs(&self, random: &mut StdRng) -> Vec<&usize> {
        let count = random.random_range(1..=MOST_LIMBS);
        self.limbs.choose_multiple(random, count).flatten().collect()
    }
}

/// Draws some of `count` things to hide: fewer than all.
fn some(count: usize, random: &mut StdRng) -> Vec<usize> {
    let share = random.random_range(0.0..MOST_JOINTS);
    let most = count.saturating_sub(1);
    (0..count).choose_multiple(random, ((share * count as f64).ceil() as usize).min(most))
}

/// An observation that shows nothing teaches nothing.
fn reveal_one(visible: &mut [bool], random: &mut StdRng) {
    if !visible.is_empty() && !visible.contains(&true) {
        let index = random.random_range(0..visible.len());
        visible[index] = true;
    }
}

/// The groups that contain other groups.
pub(super) fn limbs(spec: &TaskSpec) -> Vec<Vec<usize>> {
    split_groups(spec).0
}

/// Divides the groups into limbs, which contain other groups, and single joints, which do not.
///
/// The group of the end effectors is neither.
fn split_groups(spec: &TaskSpec) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
    let groups = spec.groups.iter().filter(|group| group.name != END_EFFECTORS).map(|group| &group.joints);
    let contains = |outer: &[usize], inner: &[usize]| {
        inner.len() < outer.len() && !inner.is_empty() && inner.iter().all(|joint| outer.contains(joint))
    };
    let is_limb = |group: &&Vec<usize>| spec.groups.iter().any(|other| contains(group, &other.joints));
    let (limbs, single): (Vec<_>, Vec<_>) = groups.partition(is_limb);
    let each = || (0..spec.joints.len()).map(|joint| vec![joint]).collect();
    let single: Vec<_> = single.into_iter().cloned().collect();
    (limbs.into_iter().cloned().collect(), if single.is_empty() { each() } else { single })
}
