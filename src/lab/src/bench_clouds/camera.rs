//! A depth camera in front of a robot.

use std::collections::BTreeMap;

use nalgebra::{Point3, Vector3};
use rand::Rng;
use rand::rngs::StdRng;
use rand_distr::StandardNormal;
use thalweg_robot::Robot;
use thalweg_robot::kinematics::frames;
use thalweg_robot::shapes::{Shape, shapes};
use thalweg_task::thinned;

/// Where it is, metres, in the frame of the robot's root: in front, at the height of the pelvis.
const PLACE: [f64; 3] = [2.5, 0.3, 0.2];
/// What points are off by along the ray, metres.
const NOISE: f64 = 0.01;
/// Share of points that are anywhere in a box around the robot, and half its edge, metres.
const OUTLIERS: f64 = 0.1;
const AROUND: f64 = 1.0;
/// Points that are drawn on the surface for each that is asked for: most are on the far side, or hidden.
const DRAWN: usize = 8;
/// Angle that hides what is behind it, radians, and how far behind that is, metres.
const PIXEL: f64 = 0.006;
const BEHIND: f64 = 0.03;

/// The camera, and the shape of what it sees.
pub(super) struct Camera {
    shapes: Vec<Shape>,
    /// Share of the surface up to each shape.
    shares: Vec<f64>,
}

impl Camera {
    pub(super) fn new(robot: &Robot, urdf: &str) -> Self {
        let shapes = shapes(robot, urdf);
        let area = |shape: &Shape| {
            let length = (Vector3::from(shape.ends[1]) - Vector3::from(shape.ends[0])).norm();
            shape.radius * (length + 2.0 * shape.radius)
        };
        let mut sum = 0.0;
        let mut shares: Vec<f64> = Vec::new();
        for shape in &shapes {
            sum += area(shape);
            shares.push(sum);
        }
        shares.iter_mut().for_each(|share| *share /= sum);
        Self { shapes, shares }
    }

    /// What it sees of a robot at positions, at most `most` points, metres in the frame of the root.
    pub(super) fn see(&self, robot: &Robot, positions: &[f64], most: usize, random: &mut StdRng) -> Vec<[f64; 3]> {
        if most == 0 {
            return Vec::new();
        }
        let frames = frames(robot, positions);
        let camera = Point3::from(PLACE);
        let mut visible: BTreeMap<[i64; 2], f64> = BTreeMap::new();
        let mut drawn = Vec::new();
        for _ in 0..DRAWN * most {
            let share: f64 = random.random();
            let at = self.shares.partition_point(|up_to| *up_to < share).min(self.shapes.len() - 1);
            let Shape { link, ends, radius } = self.shapes[at];
            let [from, to] = ends.map(|end| frames[link] * Point3::from(end));
            let on_axis = from + (to - from) * random.random::<f64>();
            let mut draw = || random.sample::<f64, _>(StandardNormal);
            let way = Vector3::new(draw(), draw(), draw());
            let along = (to - from).try_normalize(1e-9).unwrap_or_default();
            let Some(outward) = (way - along * way.dot(&along)).try_normalize(1e-9) else { continue };
            let point = on_axis + outward * radius;
            if outward.dot(&(camera - point)) <= 0.0 {
                continue;
            }
            let ray = point - camera;
            let distance = ray.norm();
            let pixel = [ray.y.atan2(-ray.x), (ray.z / distance).asin()].map(|angle| (angle / PIXEL).floor() as i64);
            let nearest = visible.entry(pixel).or_insert(distance);
            *nearest = nearest.min(distance);
            drawn.push((pixel, point, ray / distance, distance));
        }
        let is_seen = |pixel: &[i64; 2], distance: f64| visible.get(pixel).is_none_or(|near| distance <= near + BEHIND);
        let seen = drawn.iter().filter(|(pixel, _, _, distance)| is_seen(pixel, *distance));
        let mut points: Vec<[f64; 3]> = seen
            .map(|(_, point, ray, _)| (point + ray * (NOISE * random.sample::<f64, _>(StandardNormal))).coords.into())
            .collect();
        let inliers = (most as f64 * (1.0 - OUTLIERS)) as usize;
        points = thinned(&points, inliers);
        let outliers = (points.len() as f64 * OUTLIERS / (1.0 - OUTLIERS)) as usize;
        points.extend((0..outliers).map(|_| [(); 3].map(|()| random.random_range(-AROUND..AROUND))));
        points
    }
}
