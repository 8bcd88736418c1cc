//! What a start sees of a training observation.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use thalweg_task::{JointGroup, TaskSpec};

/// Share of the observations that are seen whole.
const WHOLE: f64 = 0.15;
/// Share of which one or two groups are hidden, limbs rather than single joints.
const LIMBS: f64 = 0.55;
/// Least and greatest share of joints that are hidden at random in the others.
const SCATTERED: (f64, f64) = (0.1, 0.9);

/// Hides groups, or joints at random, or nothing.
pub(super) fn visible(spec: &TaskSpec, random: &mut StdRng) -> Vec<bool> {
    let mut visible = vec![true; spec.joints.len()];
    let mut hide = |joints: &[usize]| joints.iter().for_each(|&joint| visible[joint] = false);
    let which: f64 = random.random();
    if which < WHOLE {
        return visible;
    }
    if which < WHOLE + LIMBS && !spec.groups.is_empty() {
        for _ in 0..random.random_range(1..=2) {
            let group = spec.groups.choose_weighted(random, |group| group.joints.len());
            group.iter().for_each(|group| hide(&group.joints));
        }
        return visible;
    }
    let share = random.random_range(SCATTERED.0..SCATTERED.1);
    units(spec).iter().for_each(|unit| {
        if random.random_bool(share) {
            hide(unit);
        }
    });
    visible
}

/// What is hidden together: the smallest groups, or each scalar joint where there are none.
fn units(spec: &TaskSpec) -> Vec<Vec<usize>> {
    let size = |group: &JointGroup| group.joints.len();
    let Some(least) = spec.groups.iter().map(size).min() else {
        return (0..spec.joints.len()).map(|joint| vec![joint]).collect();
    };
    spec.groups.iter().filter(|group| size(group) == least).map(|group| group.joints.clone()).collect()
}
