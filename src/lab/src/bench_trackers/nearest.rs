//! The rival that learns nothing: of the stored training poses the one whose points lie best where they were seen.

use tch::{Device, Kind};
use thalweg_body_pose::BodyPose;
use thalweg_body_pose::kinematics::Rotations;
use thalweg_engine::landscape::{Landscape, Steps};
use thalweg_task::{LoadOptions, Pair, Root, Similarity, Task, numbers};

use super::TrackerArguments;
use super::scenes::poses;

/// Range of sizes, as the task has it.
const SCALES: [f64; 2] = [0.4, 1.6];

/// Stored poses, and where they have the points of a table.
pub(super) struct Nearest {
    poses: Vec<Rotations>,
    /// `[E * P]`, metres in the pelvis frame.
    points: Vec<[f64; 3]>,
    pairs: Vec<Pair>,
}

impl Nearest {
    /// Takes the examples that are stored beside the task's landscape.
    pub(super) fn new(table: &str, arguments: &TrackerArguments) -> anyhow::Result<Self> {
        let models = &arguments.source.models;
        let mut options = LoadOptions { models: models.clone(), ..LoadOptions::default() };
        options.parameters.insert("keypoints".to_owned(), table.into());
        let task = BodyPose::load(&options)?;
        let landscape = Landscape::trained(&models.join("body_pose_theta.safetensors"), task.spec())?;
        let examples = landscape.steps().and_then(Steps::exemplars);
        let examples = examples.ok_or_else(|| anyhow::anyhow!("the landscape of body_pose stores no examples"))?;
        let examples = examples.to_kind(task.spec().kind).to_device(Device::Cpu);
        let answer = task.render(&task.forward(&examples)?)?;
        let missing = || anyhow::anyhow!("body_pose renders no joints or points");
        let (joints, points) = (answer.joints.ok_or_else(missing)?, answer.points.ok_or_else(missing)?);
        let points: Vec<f64> = numbers(&points);
        Ok(Self {
            poses: poses(&joints.to_kind(Kind::Double)),
            points: points.as_chunks().0.to_vec(),
            pairs: Vec::new(),
        })
    }

    /// Finds the pose whose points lie best where they were seen, NaN where they were not, and the transform of it.
    pub(super) fn step(&mut self, seen: &[[f64; 3]]) -> (Rotations, Root) {
        let Self { poses, points, pairs } = self;
        let mut best: Option<(f64, usize, Similarity)> = None;
        for (example, own) in points.chunks_exact(seen.len()).enumerate() {
            pairs.clear();
            let there = own.iter().zip(seen).filter(|(_, seen)| seen[0].is_finite());
            pairs.extend(there.map(|(own, seen)| Pair { own: *own, seen: *seen, weight: 1.0, is_ray: false }));
            let fit = Similarity::fit(pairs, SCALES);
            let misfit = fit.root(pairs, true).misfit;
            if best.is_none_or(|(least, ..)| misfit < least) {
                best = Some((misfit, example, fit));
            }
        }
        let (_, example, fit) = best.unwrap_or((0.0, 0, Similarity::fit(&[], SCALES)));
        (poses[example], fit.root(pairs, true))
    }
}
