//! Transforms in clouds, against differences and against each point.

use super::*;
use crate::Root;

const RANGE: [f64; 2] = [0.4, 1.6];

/// Ends of three limbs of a body, of which none lies within another: a trunk and two arms of different lengths.
fn places() -> Vec<[f64; 3]> {
    vec![[0.0; 3], [0.0, 0.6, 0.05], [0.3, 0.5, 0.0], [0.8, 0.45, 0.1], [-0.3, 0.5, 0.0], [-0.5, 0.2, 0.2]]
}

fn surface() -> TreeSurface {
    let capsule = |from: usize, radius: f64| TreeCapsule { ends: [from, from + 1], radius };
    let capsules = vec![capsule(0, 0.12), capsule(2, 0.05), capsule(4, 0.05)];
    TreeSurface { capsules, scale: 0.1, gate: 0.5, anchors: 6..6, line: 0.03 }
}

fn root() -> Root {
    Root { position: [1.0, -0.4, 2.5], rotation: [0.1, -0.7, 0.1, 0.7], scale: 1.2, is_seen: true, misfit: 0.0 }
}

/// Points on the side of the surface that looks along z, where `root` has it, some of which are off.
fn cloud<T: Coordinate>(root: &Root, off: f64) -> Vec<Block<T>> {
    let (places, root) = (places(), Similarity::of_root(root).root(&[], true));
    let mut points = Vec::new();
    for capsule in surface().capsules {
        let [from, to] = capsule.ends.map(|end| nalgebra::Vector3::from(places[end]));
        let along = (to - from).normalize();
        let across = along.cross(&nalgebra::Vector3::z()).normalize();
        for at in 0..60 {
            let angle = f64::from(at) * 0.7 % 2.6 - 1.3;
            let outward = across.cross(&along) * angle.cos() + across * angle.sin();
            let wave = off * (f64::from(at) * 1.9).sin();
            let share = (f64::from(at) * 0.377).fract();
            let point = from + (to - from) * share + outward * (capsule.radius + wave);
            points.push((root.place(point.into()).map(T::of), T::of(1.0 + 0.3 * wave)));
        }
    }
    Block::of_points(&points)
}

fn near() -> Similarity {
    let [x, y, z] = root().position;
    let root = Root { position: [x + 0.04, y - 0.05, z + 0.03], rotation: [0.13, -0.68, 0.08, 0.72], ..root() };
    Similarity::of_root(&Root { scale: 1.12, ..root })
}

#[test]
fn a_transform_is_found_again_in_a_cloud() {
    fn check<T: Coordinate>(tolerance: f64) {
        let mut fit = SurfaceFit::<T>::new(3);
        fit.place(&surface(), |place| places()[place]);
        let found = fit.descend(&cloud(&root(), 0.0), &[], (near(), 30), RANGE, &surface()).root(&[], true);
        for place in places() {
            let [found, truth] = [found, root()].map(|root| root.place(place));
            let apart: f64 = (0..3).map(|axis| (found[axis] - truth[axis]).powi(2)).sum::<f64>().sqrt();
            assert!(apart < tolerance, "{apart}");
        }
    }
    check::<f64>(1e-6);
    check::<f32>(1e-3);
}

#[test]
fn sums_are_those_of_points() {
    let (blocks, surface) = (cloud::<f64>(&root(), 0.02), surface());
    let mut fit = SurfaceFit::new(3);
    fit.place(&surface, |place| places()[place]);
    let found = fit.descend(&blocks, &[], (near(), 3), RANGE, &surface);
    let pulls = fit.pulls(&blocks, &found, &surface);
    assert_eq!(pulls.len(), 180);
    let loss: f64 = pulls.iter().map(|pull| pull.residual.powi(2)).sum();
    assert!((loss - fit.loss()).abs() < 1e-12 && loss > 1e-3, "{loss}");
    for capsule in 0..3 {
        let own = || pulls.iter().filter(|pull| pull.capsule == capsule);
        for row in 0..PULLS {
            let pull: f64 = own().map(|pull| pull.v[row] * pull.residual).sum();
            assert!((pull - fit.moments(capsule).pull[row]).abs() < 1e-12);
            for column in 0..PULLS {
                let square: f64 = own().map(|pull| pull.v[row] * pull.v[column]).sum();
                assert!((square - fit.moments(capsule).square[row][column]).abs() < 1e-12);
            }
        }
    }
}

#[test]
fn forces_and_steps_are_those_of_differences() {
    const STEP: f64 = 1e-6;
    let (blocks, surface) = (cloud::<f64>(&root(), 0.01), surface());
    let pairs = [Pair { own: [0.0, 0.6, 0.05], seen: root().place([0.01, 0.62, 0.0]), weight: 2.0, is_ray: false }];
    // Where the transform has found its place, losses change as forces say.
    let loss = |places: &[[f64; 3]], fit: &mut SurfaceFit<f64>| {
        fit.place(&surface, |place| places[place]);
        let pairs = pairs.map(|pair| Pair { own: places[1], ..pair });
        let found = fit.descend(&blocks, &pairs, (near(), 60), RANGE, &surface);
        let back = found.back(pairs[0].seen);
        let named: f64 = (0..3).map(|axis| (2.0 * found.scale() * (places[1][axis] - back[axis])).powi(2)).sum();
        (
            fit.loss() + named,
            found,
            (0..3).map(|axis| 8.0 * found.scale().powi(2) * (places[1][axis] - back[axis])).collect::<Vec<_>>(),
        )
    };
    let mut fit = SurfaceFit::new(3);
    let (_, found, of_pair) = loss(&places(), &mut fit);
    assert!(found.has_free_scale() && fit.step().iter().all(|step| step.abs() < 1e-7), "{:?}", fit.step());
    let forces: Vec<[[f64; 3]; 2]> = (0..3).map(|capsule| fit.forces(capsule, &found)).collect();
    for (place, axis) in (0..6).flat_map(|place| (0..3).map(move |axis| (place, axis))) {
        let mut at = |step: f64| {
            let mut moved = places();
            moved[place][axis] += step;
            loss(&moved, &mut fit).0
        };
        let change = (at(STEP) - at(-STEP)) / (2.0 * STEP);
        let force = forces[place / 2][place % 2][axis] + if place == 1 { of_pair[axis] } else { 0.0 };
        assert!((force - change).abs() < 1e-4, "{place} {axis}: {force} {change}");
    }
}

#[test]
fn a_size_stays_in_its_range_and_nothing_is_undefined() {
    let surface = surface();
    let mut fit = SurfaceFit::<f64>::new(3);
    fit.place(&surface, |place| places()[place]);
    for (range, blocks) in [([0.4, 1.0], cloud(&root(), 0.0)), ([1.3, 1.3], cloud(&root(), 0.0)), (RANGE, Vec::new())] {
        let start = Similarity::of_root(&Root { scale: 1f64.clamp(range[0], range[1]), ..root() });
        let found = fit.descend(&blocks, &[], (start, 10), range, &surface);
        assert!(!found.has_free_scale() || blocks.is_empty());
        assert!((range[0]..=range[1]).contains(&found.scale()), "{found:?}");
        assert!(found.root(&[], true).numbers().iter().all(|number| number.is_finite()));
    }
    fit.place(&surface, |_| [f64::NAN; 3]);
    let found = fit.descend(&cloud(&root(), 0.0), &[], (near(), 4), RANGE, &surface);
    let pairs = found.root(&[], true).numbers().into_iter().zip(near().root(&[], true).numbers());
    assert!(pairs.into_iter().all(|(found, start)| (found - start).abs() < 1e-12), "{found:?}");
}

/// Points of a body before a camera, as rays of weight one metre at its depth.
fn rays(root: &Root, count: usize) -> Vec<Pair> {
    let own = |at: usize| [0.0, 1.0, 2.0].map(|axis| (at as f64 * 1.7 + axis * 2.3).sin() * 0.6);
    let ray = |at: usize| {
        let [x, y, z] = root.place(own(at));
        Pair { own: own(at), seen: [x / z, y / z, 0.0], weight: root.position[2], is_ray: true }
    };
    (0..count).map(ray).collect()
}

#[test]
fn rays_tell_where_a_body_of_the_usual_size_stands() {
    let truth = Root { position: [0.4, -0.2, 3.0], scale: 1.0, ..root() };
    let seen = rays(&truth, 12);
    let before = Root { position: [0.2, 0.0, 3.5], ..truth };
    let anchor = |own: [f64; 3]| Pair { own, seen: before.place(own), weight: 1e-3, is_ray: false };
    let anchors = [[0.3, 0.0, 0.0], [-0.3, 0.0, 0.0], [0.0, 0.3, 0.0], [0.0, 0.0, 0.3]].map(anchor);
    let pairs = [&seen[..], &anchors[..]].concat();
    let surface = TreeSurface { capsules: Vec::new(), ..surface() };
    let mut fit = SurfaceFit::<f64>::new(0);
    let found = fit.find(&[], (&pairs, anchors.len()), (RANGE, None), &surface);
    for (got, expected) in found.root(&seen, true).position.iter().zip(truth.position) {
        assert!((got - expected).abs() < 1e-4, "{found:?}");
    }
    assert_eq!((found.scale(), found.has_free_scale()), (1.0, false), "one camera does not tell the size");
    // What is known is taken as it is.
    assert_eq!(fit.find(&[], (&pairs, anchors.len()), (RANGE, Some(found)), &surface), found);
    // A place beside them tells it.
    let tall = Root { scale: 1.2, ..truth };
    let mut pairs = [&rays(&tall, 12)[..], &anchors[..]].concat();
    pairs.insert(0, Pair { seen: tall.place(pairs[3].own), is_ray: false, ..pairs[3] });
    pairs.insert(0, Pair { seen: tall.place(pairs[5].own), is_ray: false, ..pairs[5] });
    pairs.insert(0, Pair { seen: tall.place(pairs[8].own), is_ray: false, ..pairs[8] });
    let found = fit.find(&[], (&pairs, anchors.len()), (RANGE, None), &surface);
    assert!((found.scale() - 1.2).abs() < 1e-3, "{found:?}");
}
