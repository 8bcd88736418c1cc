//! `--rays`: the same people before one RGB camera, which sees where their keypoints are in its image and not how far away.

use std::fmt::Write;
use std::fs;

use nalgebra::{Quaternion, UnitQuaternion, Vector3};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;
use thalweg_body_pose::kinematics::{Rotations, forward};
use thalweg_body_pose::skeleton::JOINTS;
use thalweg_task::{Root, mean, percentile};

use super::TrackerArguments;
use super::players::{METHODS, Method, Player};
use super::scenes::{Clip, HOLES, Scene, Stand};

/// The image, pixels, its width in degrees, and how far keypoints are off in it, pixels.
const SIZE: [f64; 2] = [640.0, 480.0];
const WIDTH: f64 = 60.0;
const NOISE: f64 = 2.0;
/// How much farther away people stand than before other trackers, metres: 3.5 to 5.5 m, so that the image holds them.
const AWAY: f64 = 1.5;

/// What is seen of the people of a table, and how large they are.
struct View {
    name: &'static str,
    are_rays: bool,
    scale: Option<f64>,
    /// By their keys.
    methods: &'static [&'static str],
}

const VIEWS: [View; 3] = [
    View { name: "one camera", are_rays: true, scale: None, methods: &["plain", "warm", "default"] },
    View { name: "one camera, people of 1.75 m", are_rays: true, scale: Some(1.0), methods: &["default"] },
    View { name: "places", are_rays: false, scale: None, methods: &["default"] },
];

/// Errors of a method.
#[derive(Default)]
struct Errors {
    hidden_degrees: Vec<f64>,
    /// Places beside the pelvis.
    hidden_mm: Vec<f64>,
    seen_mm: Vec<f64>,
    root_mm: Vec<f64>,
    /// Of its distance from the camera.
    root_percent: Vec<f64>,
    root_degrees: Vec<f64>,
    millis: Vec<f64>,
}

impl Errors {
    fn add(&mut self, scene: &Scene, frame: usize, (pose, root): (&Rotations, &Root), seconds: f64) {
        let (truth, stood) = (&scene.truth[frame], &scene.roots[frame]);
        let own = forward(pose).positions;
        let place = |joint: usize| Vector3::from(root.place(own[joint].into()));
        let known = &scene.places[frame];
        for joint in 0..JOINTS {
            let apart = (place(joint + 1) - place(0)) - (known[joint + 1] - known[0]);
            let group = if scene.is_seen_place(joint) { &mut self.seen_mm } else { &mut self.hidden_mm };
            group.push(1e3 * apart.norm());
        }
        self.hidden_degrees.extend(scene.hidden.iter().map(|&joint| pose[joint].angle_to(&truth[joint]).to_degrees()));
        let (at, stood_at) = (Vector3::from(root.position), Vector3::from(stood.position));
        self.root_mm.push(1e3 * (at - stood_at).norm());
        self.root_percent.push(100.0 * (at - stood_at).norm() / stood_at.norm());
        self.root_degrees.push(turn(root).angle_to(&turn(stood)).to_degrees());
        self.millis.push(1e3 * seconds);
    }

    fn line(&self) -> String {
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.1}"));
        let means = [&self.hidden_degrees, &self.hidden_mm, &self.seen_mm, &self.root_mm, &self.root_percent];
        let means: Vec<String> = means.iter().map(|values| number(mean(values))).collect();
        let flipped = self.root_degrees.iter().filter(|degrees| **degrees > 90.0).count();
        let flipped = 100.0 * flipped as f64 / self.root_degrees.len().max(1) as f64;
        let turned = number(percentile(&self.root_degrees, 0.5));
        let [middle, slowest] = [0.5, 0.99].map(|share| number(percentile(&self.millis, share)));
        format!("{} | {turned} | {flipped:.0} | {middle} / {slowest}", means.join(" | "))
    }
}

fn turn(root: &Root) -> UnitQuaternion<f64> {
    let [i, j, k, w] = root.rotation;
    UnitQuaternion::new_normalize(Quaternion::new(w, i, j, k))
}

/// What a camera sees of keypoints, x / z and y / z; what is hidden, or outside of the image, is not seen.
fn rays(scene: &Scene, seed: u64) -> Vec<Vec<[f64; 3]>> {
    let mut random = StdRng::seed_from_u64(0x5eed ^ seed);
    let focal = SIZE[0] / 2.0 / (WIDTH / 2.0).to_radians().tan();
    let mut ray = |(seen, exact): (&[f64; 3], &[f64; 3])| {
        let [x, y, z] = *exact;
        let off = [(); 2].map(|()| NOISE * random.sample::<f64, _>(StandardNormal));
        let pixel = [x / z * focal + off[0], y / z * focal + off[1]];
        let is_within = z > 0.0 && pixel.iter().zip(SIZE).all(|(place, size)| place.abs() <= size / 2.0);
        let is_seen = is_within && seen.iter().all(|axis| axis.is_finite());
        if is_seen { [pixel[0] / focal, pixel[1] / focal, f64::NAN] } else { [f64::NAN; 3] }
    };
    scene.seen.iter().zip(&scene.exact).map(|(seen, exact)| seen.iter().zip(exact).map(&mut ray).collect()).collect()
}

/// Plays, measures, writes and gives what came of it.
pub(super) fn run(arguments: &TrackerArguments, clips: &[Clip]) -> anyhow::Result<String> {
    let [width, height] = SIZE;
    let mut text = format!(
        "{} clips, K = 8, {} steps; an image of {width} x {height} pixels and {WIDTH} degrees, keypoints {NOISE} pixels off; \
         means, of how the root is turned the median; ms of one processor, p50 / p99\n",
        clips.len(),
        arguments.steps
    );
    for table in &arguments.tables {
        for hole in &HOLES {
            write!(
                text,
                "\n{table}, {}\n\n| seen | method | hidden joints, deg | hidden places beside the pelvis, mm | seen places, mm | \
                 root, mm | of its distance, % | root, deg | turned by > 90 deg, % of frames | ms |\n\
                 |---|---|---|---|---|---|---|---|---|---|\n",
                hole.name
            )?;
            for view in &VIEWS {
                let stand = Stand { away: AWAY, scale: view.scale };
                let scenes =
                    clips.iter().enumerate().map(|(seed, clip)| Scene::at(clip, table, hole, (seed as u64, stand)));
                let scenes = scenes.collect::<anyhow::Result<Vec<_>>>()?;
                let has = |method: &&Method| view.methods.contains(&method.key) && arguments.wants(method);
                for method in METHODS.iter().filter(has) {
                    let (mut player, mut errors) = (Player::new(method, table, arguments)?, Errors::default());
                    for (seed, scene) in (0..).zip(&scenes) {
                        let rays = view.are_rays.then(|| rays(scene, seed));
                        let add = &mut |frame: usize, found: (&Rotations, &Root), seconds: f64| {
                            errors.add(scene, frame, found, seconds);
                        };
                        drop(player.play(rays.as_ref().unwrap_or(&scene.seen), add)?);
                    }
                    tracing::info!("{table}, {}, {}, {}", hole.name, view.name, method.name);
                    writeln!(text, "| {} | {} | {} |", view.name, method.name, errors.line())?;
                }
            }
        }
    }
    fs::create_dir_all(&arguments.output)?;
    fs::write(arguments.output.join("rays.md"), &text)?;
    Ok(text)
}
