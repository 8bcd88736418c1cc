//! A depth camera in front of a robot or a person.

use std::collections::BTreeMap;

use nalgebra::{Point3, Vector3};
use rand::Rng;
use rand::rngs::StdRng;
use rand_distr::StandardNormal;
use thalweg_task::thinned;

/// What points are off by along the ray, metres.
const NOISE: f64 = 0.01;
/// Share of points that are anywhere in a box around the root, and half its edge, metres.
const OUTLIERS: f64 = 0.1;
const AROUND: f64 = 1.0;
/// Points that are drawn on the surface for each that is asked for: most are on the far side, or hidden.
const DRAWN: usize = 8;
/// Angle that hides what is behind it, radians, and how far behind that is, metres.
const PIXEL: f64 = 0.006;
const BEHIND: f64 = 0.03;

/// A capsule where it is: its ends, metres, and its radius.
pub(super) type Placed = ([Point3<f64>; 2], f64);

/// What a camera at `camera` sees of capsules around a root, at most `most` points, metres.
pub(super) fn see(
    capsules: &[Placed],
    (camera, root): (Point3<f64>, Point3<f64>),
    most: usize,
    random: &mut StdRng,
) -> Vec<[f64; 3]> {
    if most == 0 {
        return Vec::new();
    }
    let shares = shares(capsules);
    let mut visible: BTreeMap<[i64; 2], f64> = BTreeMap::new();
    let mut drawn = Vec::new();
    // Angles about the way to the root.
    let ahead = (root - camera).normalize();
    let side = ahead.cross(&if ahead.z.abs() < 0.7 { Vector3::z() } else { Vector3::y() }).normalize();
    let other = ahead.cross(&side);
    for _ in 0..DRAWN * most {
        let share: f64 = random.random();
        let at = shares.partition_point(|up_to| *up_to < share).min(capsules.len() - 1);
        let ([from, to], radius) = capsules[at];
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
        let pixel = [ray.dot(&side).atan2(ray.dot(&ahead)), (ray.dot(&other) / distance).asin()];
        let pixel = pixel.map(|angle| (angle / PIXEL).floor() as i64);
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
    points.extend((0..outliers).map(|_| [0, 1, 2].map(|axis| root[axis] + random.random_range(-AROUND..AROUND))));
    points
}

/// Share of the surface up to each capsule.
fn shares(capsules: &[Placed]) -> Vec<f64> {
    let mut sum = 0.0;
    let mut shares: Vec<f64> = Vec::new();
    for ([from, to], radius) in capsules {
        sum += radius * ((to - from).norm() + 2.0 * radius);
        shares.push(sum);
    }
    shares.iter_mut().for_each(|share| *share /= sum);
    shares
}
