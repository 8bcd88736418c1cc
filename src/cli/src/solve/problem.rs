//! What is to be explained, and the truth where it is known.

use std::path::Path;

use tch::{Kind, Tensor};
use thalweg::motion::Motion;
use thalweg_task::{Observation, PointsSpec, Reconstruction, Task, TaskSpec, nearest};

use super::SolveArguments;
use crate::failure::InputError;
use crate::observation;

/// An observation of one row, partly hidden.
pub(super) struct Problem {
    /// What the engine sees.
    pub(super) obs: Observation,
    /// What was there; known for recordings only.
    pub(super) truth: Option<Reconstruction>,
    /// Where it comes from, in words.
    pub(super) from: String,
}

impl Problem {
    /// Reads the observation or the frame, and hides what is to be hidden.
    ///
    /// # Errors
    /// [`InputError`].
    pub(super) fn load(arguments: &SolveArguments, task: &dyn Task) -> anyhow::Result<Self> {
        let mut problem = match (&arguments.observation, &arguments.recording) {
            (_, Some(path)) => Self::of_frame(path, arguments.frame.unwrap_or(0), task)?,
            (Some(path), None) => Self::of_file(path, task.spec())?,
            (None, None) => anyhow::bail!("expected an observation or --recording"),
        };
        for name in &arguments.hide {
            problem.hide(name, task.spec())?;
        }
        if problem.obs.observed() == 0 {
            return Err(InputError::AllHidden { from: problem.from, hidden: arguments.hide.join(",") }.into());
        }
        Ok(problem)
    }

    fn of_file(path: &Path, spec: &TaskSpec) -> Result<Self, InputError> {
        let from = observation::name_of(path);
        match observation::read(path, spec) {
            Ok(obs) => Ok(Self { obs, truth: None, from }),
            Err(source) => Err(InputError::Observation { from, source }),
        }
    }

    fn of_frame(path: &Path, frame: u32, task: &dyn Task) -> anyhow::Result<Self> {
        let motion = Motion::load(path, task.spec()).map_err(InputError::Motion)?;
        if i64::from(frame) >= motion.frames() {
            return Err(InputError::Frame { path: path.to_owned(), frame, last: motion.frames() - 1 }.into());
        }
        let (obs, joints) = (motion.observation(i64::from(frame)), Some(motion.frame(i64::from(frame))));
        let truth = Reconstruction { joints, ..Reconstruction::default() };
        Ok(Self { obs, truth: Some(truth), from: format!("frame {frame} of {}", path.display()) })
    }

    /// Treats a group, a joint or a point as unobserved.
    fn hide(&mut self, name: &str, spec: &TaskSpec) -> Result<(), InputError> {
        let points = spec.points.as_ref().map_or(&[][..], |points| &points.names);
        let group = spec.groups.iter().find(|group| group.name == name).map(|group| group.joints.clone());
        let joints = group.or_else(|| Some(vec![spec.joints.iter().position(|joint| joint.name == name)?]));
        let point = points.iter().position(|known| known == name);
        if joints.is_none() && point.is_none() {
            let (task, name) = (spec.name.clone(), name.to_owned());
            return Err(InputError::Hide { task, hint: hint(&name, spec, points), name });
        }
        if let (Some(hidden), Some(field)) = (joints, &mut self.obs.joints) {
            *field = field.hide(&all_but(&hidden, spec.joints.len()));
        }
        if let (Some(hidden), Some(field)) = (point, &mut self.obs.points) {
            *field = field.hide(&all_but(&[hidden], spec.points.as_ref().map_or(0, PointsSpec::count)).unsqueeze(-1));
        }
        Ok(())
    }
}

/// Marks all of `count` places except the hidden ones.
fn all_but(hidden: &[usize], count: usize) -> Tensor {
    let visible: Vec<bool> = (0..count).map(|place| !hidden.contains(&place)).collect();
    Tensor::from_slice(&visible).to_kind(Kind::Bool)
}

fn hint(name: &str, spec: &TaskSpec, points: &[String]) -> String {
    let groups = spec.groups.iter().map(|group| group.name.as_str());
    let joints = spec.joints.iter().map(|joint| joint.name.as_str());
    nearest(name, groups.chain(joints).chain(points.iter().map(String::as_str)))
}
