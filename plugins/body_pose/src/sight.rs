//! Where a body stands before a camera that sees where its points are in the image, and not how far away.

use std::f64::consts::TAU;

use nalgebra::{UnitQuaternion, Vector2, Vector3};
use thalweg_task::{LEAST_DEPTH, Pair, Root, Similarity, SurfaceFit, TreeSurface, tell_turn};

/// Turns of the body about its own long axis that are tried, and how far its head is tipped toward the camera, radians. What
/// is turned in the image follows.
const YAWS: usize = 8;
const TIPS: [f64; 3] = [-0.9, 0.0, 0.9];
/// Gauss-Newton steps of each try, and of those that are best, of which there are so many.
const STEPS: usize = 4;
const MORE_STEPS: usize = 12;
const BEST: usize = 4;
/// Depth, metres, of which a body is taken to be where one point says nothing of it, and the range of a guess.
const USUAL_DEPTH: f64 = 3.0;
const DEPTH: [f64; 2] = [0.3, 100.0];
/// Distance across the line of sight, metres, within which a point may be that of a body in another pose, and the share of
/// points that must be.
const NEAR: f64 = 0.5;
const SHARE: f64 = 0.5;
/// Squared residuals of the best guess against those of the root before, below which the latter counts as the wrong one: it
/// shows the other side, or is another person's.
const BETTER: f64 = 0.25;
/// Rays from which on they tell how a body stands: twice as many as its six numbers need, so that some are left for its pose.
pub(crate) const FEWEST: usize = 6;
/// Spread below which rays, or a body as it is seen, have no size; dimensionless, and metres.
const LEAST_SPREAD: f64 = 1e-6;

/// Whether rays, `[x / z, y / z]`, tell how a body is turned that stands at a depth, metres: enough of them, not on a line.
pub(crate) fn tell(rays: impl Iterator<Item = [f64; 2]> + Clone, depth: f64, line: f64) -> bool {
    let across = rays.map(|[x, y]| [x * depth, y * depth, depth]);
    depth > LEAST_DEPTH && across.clone().count() >= FEWEST && tell_turn(across, line)
}

/// Finds where a body in some pose stands, so that a camera sees its points where they were seen.
///
/// Tried are several turns out of the image. For each of them, place, depth and turn within the image have a closed form
/// where all points are equally far away (scaled orthography); from there Gauss-Newton steps go to perspective (as POSIT
/// does: DeMenthon & Davis, Int. J. Computer Vision 15, 1995). From the front and from behind a body's outline is the same;
/// which side is left tells them apart.
pub(crate) struct Sight<'a> {
    /// Points beside their rays; places that are among them count as well.
    pub(crate) pairs: &'a [Pair],
    pub(crate) surface: &'a TreeSurface,
    /// Least and greatest size.
    pub(crate) scale: [f64; 2],
}

impl Sight<'_> {
    /// The root of before where it may still be that of the body, else a guess; and whether it is that of before.
    pub(crate) fn root(&self, before: Option<Root>) -> (Root, bool) {
        let guess = self.guess();
        let kept = before.filter(|root| self.is_near(root)).filter(|root| {
            let refined = self.descend(Similarity::of_root(root), MORE_STEPS).0;
            self.rays().count() < FEWEST || self.descend(guess, 0).0 >= BETTER * refined
        });
        match kept {
            Some(root) => (root, true),
            None => (guess.root(&[], false), false),
        }
    }

    fn rays(&self) -> impl Iterator<Item = &Pair> + Clone {
        self.pairs.iter().filter(|pair| pair.is_ray)
    }

    /// Whether a body that stands there may be what the camera sees.
    fn is_near(&self, root: &Root) -> bool {
        let fit = Similarity::of_root(root);
        let near = self.rays().filter(|ray| fit.put(ray.own)[2] > LEAST_DEPTH && fit.apart(ray) <= NEAR).count();
        near as f64 >= SHARE * self.rays().count() as f64
    }

    fn guess(&self) -> Similarity {
        let turns = TIPS.into_iter().flat_map(|tip| (0..YAWS).map(move |yaw| (tip, TAU * yaw as f64 / YAWS as f64)));
        let starts = turns.map(|(tip, yaw)| self.orthographic(tip, yaw));
        let mut tried: Vec<(f64, Similarity)> = starts.map(|start| self.descend(start, STEPS)).collect();
        tried.sort_by(|one, other| one.0.total_cmp(&other.0));
        tried.truncate(BEST);
        let refined = tried.into_iter().map(|(_, from)| self.descend(from, MORE_STEPS));
        let best = refined.min_by(|one, other| one.0.total_cmp(&other.0));
        best.map_or_else(|| self.orthographic(0.0, 0.0), |(_, found)| found)
    }

    /// The usual size, which one camera does not tell.
    fn size(&self) -> f64 {
        1f64.clamp(self.scale[0], self.scale[1])
    }

    /// Goes some steps from a start; gives squared residuals and where it came to.
    fn descend(&self, from: Similarity, steps: usize) -> (f64, Similarity) {
        let (mut fit, size) = (SurfaceFit::<f64>::new(0), self.size());
        let found = fit.descend(&[], self.pairs, (from, steps), [size; 2], self.surface);
        let square = |pair: &Pair| found.residual(pair).iter().map(|entry| entry * entry).sum::<f64>();
        (self.pairs.iter().map(square).sum(), found)
    }

    /// The closed form for a turn out of the image: the body faces the camera, turned by `yaw` about its long axis, and its
    /// head is tipped by `tip`.
    fn orthographic(&self, tip: f64, yaw: f64) -> Similarity {
        // The body has y up and z forward, the camera y down, and looks along z.
        let facing = UnitQuaternion::from_axis_angle(&Vector3::x_axis(), std::f64::consts::PI);
        let out = UnitQuaternion::from_axis_angle(&Vector3::x_axis(), tip)
            * facing
            * UnitQuaternion::from_axis_angle(&Vector3::y_axis(), yaw);
        let size = self.size();
        let put = |ray: &Pair| (out * Vector3::from(ray.own) * size, Vector2::new(ray.seen[0], ray.seen[1]));
        let total: f64 = self.rays().map(|ray| ray.weight.powi(2)).sum();
        let weigh = |ray: &Pair| if total > 0.0 { ray.weight.powi(2) / total } else { 0.0 };
        let (mut own, mut seen) = (Vector3::zeros(), Vector2::zeros());
        for ray in self.rays() {
            let (at, ray_at) = put(ray);
            own += at * weigh(ray);
            seen += ray_at * weigh(ray);
        }
        // As complex numbers: the factor that brings one nearest to the other.
        let (mut along, mut across, mut spread) = (0.0, 0.0, 0.0);
        for ray in self.rays() {
            let (at, ray_at) = put(ray);
            let (a, b) = ((at - own).xy() * weigh(ray), ray_at - seen);
            along += a.dot(&b);
            across += a.perp(&b);
            spread += a.dot(&(at - own).xy());
        }
        let factor = along.hypot(across) / spread;
        let is_told = spread > LEAST_SPREAD && factor > LEAST_SPREAD;
        let depth = if is_told { (1.0 / factor).clamp(DEPTH[0], DEPTH[1]) } else { USUAL_DEPTH };
        let within = if is_told { across.atan2(along) } else { 0.0 };
        let roll = UnitQuaternion::from_axis_angle(&Vector3::z_axis(), within);
        let rotation = roll * out;
        let middle = Vector3::new(seen.x, seen.y, 1.0) * depth;
        let quaternion = rotation.quaternion();
        Similarity::of_root(&Root {
            position: (middle - roll * own).into(),
            rotation: [quaternion.i, quaternion.j, quaternion.k, quaternion.w],
            scale: size,
            is_seen: false,
            misfit: 0.0,
        })
    }
}
