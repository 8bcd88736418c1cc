//! Hypotheses as translucent skeletons, for RViz.

use r2r::builtin_interfaces::msg::Duration;
use r2r::geometry_msgs::msg::{Point, Vector3};
use r2r::std_msgs::msg::{ColorRGBA, Header};
use r2r::visualization_msgs::msg::{Marker, MarkerArray};
use thalweg_task::SkeletonSpec;

use thalweg_engine::Answer;

/// Colour of what was observed: blue of Okabe and Ito's palette, told apart by all eyes.
const OBSERVED: [f32; 3] = [0.0, 0.447, 0.698];

/// Colour of what was completed: vermilion of the same palette.
const COMPLETED: [f32; 3] = [0.835, 0.369, 0.0];

/// Alpha of the least likely hypothesis: still to be seen. A guess.
const FAINTEST: f32 = 0.15;

/// Width of bones, metres. A guess, for a body of human size.
const BONE: f64 = 0.02;

/// Width of joints, metres. A guess likewise.
const JOINT: f64 = 0.035;

/// After this time RViz forgets a marker that is not renewed, seconds. A guess.
const LIFETIME: i32 = 1;

/// Draws all hypotheses; `clear` first removes whatever was drawn before.
///
/// `observed`: `[J]`, whether a joint was observed. `identities`: `[K]`, the number that stays with each hypothesis, by
/// which markers are named: a ghost does not change colours or places with another because they change ranks.
pub(crate) fn markers(
    answer: &Answer,
    (observed, identities): (&[bool], &[usize]),
    (skeleton, header): (&SkeletonSpec, &Header),
    clear: bool,
) -> MarkerArray {
    let wipe = Marker { header: header.clone(), action: Marker::DELETEALL as i32, ..Marker::default() };
    let best = answer.weights.first().copied().unwrap_or(1.0).max(f64::MIN_POSITIVE);
    let ghosts = answer.points.iter().zip(&answer.weights).enumerate().flat_map(|(rank, (points, weight))| {
        let alpha = ((weight / best) as f32).clamp(FAINTEST, 1.0);
        let identity = identities.get(rank).copied().unwrap_or(rank);
        let ghost = Ghost { identity, alpha, points, observed, skeleton };
        [ghost.bones(header), ghost.joints(header)]
    });
    MarkerArray { markers: clear.then_some(wipe).into_iter().chain(ghosts).collect() }
}

/// One hypothesis to be drawn.
struct Ghost<'a> {
    identity: usize,
    alpha: f32,
    points: &'a [[f64; 3]],
    observed: &'a [bool],
    skeleton: &'a SkeletonSpec,
}

impl Ghost<'_> {
    fn bones(&self, header: &Header) -> Marker {
        let mut marker = self.marker(header, 0, Marker::LINE_LIST as i32, BONE);
        for bone in &self.skeleton.bones {
            let from = bone.from.map_or(Some([0.0; 3]), |from| self.points.get(from).copied());
            if let (Some(from), Some(to)) = (from, self.points.get(bone.to)) {
                let colour = self.colour(&bone.joints);
                marker.points.extend([point(from), point(*to)]);
                marker.colors.extend([colour.clone(), colour]);
            }
        }
        marker
    }

    fn joints(&self, header: &Header) -> Marker {
        let mut marker = self.marker(header, 1, Marker::SPHERE_LIST as i32, JOINT);
        for bone in &self.skeleton.bones {
            if let Some(to) = self.points.get(bone.to) {
                marker.points.push(point(*to));
                marker.colors.push(self.colour(&bone.joints));
            }
        }
        marker
    }

    /// What hangs on observed joints only was observed; a bone of the root always is.
    fn colour(&self, joints: &[usize]) -> ColorRGBA {
        let is_observed = joints.iter().all(|&joint| self.observed.get(joint).copied().unwrap_or(false));
        let [r, g, b] = if is_observed { OBSERVED } else { COMPLETED };
        ColorRGBA { r, g, b, a: self.alpha }
    }

    fn marker(&self, header: &Header, id: i32, type_: i32, width: f64) -> Marker {
        let mut marker = Marker {
            header: header.clone(),
            ns: format!("h{}", self.identity),
            id,
            type_,
            action: Marker::ADD as i32,
            scale: Vector3 { x: width, y: width, z: width },
            color: ColorRGBA { r: 1.0, g: 1.0, b: 1.0, a: self.alpha },
            lifetime: Duration { sec: LIFETIME, nanosec: 0 },
            ..Marker::default()
        };
        marker.pose.orientation.w = 1.0;
        marker
    }
}

fn point([x, y, z]: [f64; 3]) -> Point {
    Point { x, y, z }
}

#[cfg(test)]
mod tests {
    use super::*;
    use thalweg_task::Bone;

    fn answer() -> Answer {
        Answer {
            points: vec![vec![[0.0, 0.0, 1.0], [0.0, 0.0, 2.0]]; 2],
            weights: vec![0.99, 0.01],
            ..Answer::default()
        }
    }

    fn skeleton() -> SkeletonSpec {
        let bones = vec![
            Bone { from: None, to: 0, joints: vec![0] },
            Bone { from: Some(0), to: 1, joints: vec![0, 1] },
            Bone { from: Some(9), to: 1, joints: vec![] },
        ];
        SkeletonSpec { frame: "base_link".to_owned(), bones }
    }

    #[test]
    fn observed_and_completed_parts_differ_in_colour_and_weights_in_alpha() {
        let drawn =
            markers(&answer(), (&[true, false][..], &[0, 1][..]), (&skeleton(), &Header::default()), true).markers;
        assert_eq!(drawn.len(), 5, "one wipe, bones and joints of two hypotheses");
        assert_eq!(drawn[0].action, 3);
        let bones = &drawn[1];
        assert_eq!((bones.ns.as_str(), bones.points.len()), ("h0", 4), "a bone without a root is left out");
        assert_eq!([bones.colors[0].r, bones.colors[2].r], [OBSERVED[0], COMPLETED[0]]);
        assert_eq!([bones.colors[0].a, drawn[3].colors[0].a], [1.0, FAINTEST]);
        assert_eq!(bones.pose.orientation.w, 1.0);
    }
}
