//! What theta is trained on: complete observations, and what the descents see of them.

use rand::rngs::StdRng;
use tch::Tensor;
use thalweg_nn::weights::fingerprint;
use thalweg_task::{Masked, Observation, Result, Task, TaskSpec};

use super::{Masks, Visible};

/// The observations of a training, one in each row: complete, or as far as they were seen.
///
/// What is unobserved in a row bears no loss.
#[derive(Debug, Default)]
pub struct Data {
    /// Theta is trained on these.
    pub training: Observation,
    /// Theta is judged on these, and never trained.
    pub held_out: Option<Observation>,
    /// Where descents of a running node were; the replay buffer holds them beside the first collections.
    pub visited: Option<Visited>,
    /// What is taken for true where nothing was seen.
    pub pseudo: Option<PseudoTruth>,
}

/// Points of descents towards rows of the training observations, made with the landscape that training starts from.
#[derive(Debug)]
pub struct Visited {
    /// `[P, Z]`.
    pub z: Tensor,
    /// The row of each, `[P]`, integer.
    pub row: Tensor,
}

impl Visited {
    /// A second handle on the same points.
    #[must_use]
    pub fn shallow_clone(&self) -> Self {
        Self { z: self.z.shallow_clone(), row: self.row.shallow_clone() }
    }
}

/// A guess of what was not seen, one row for each row of the training observations.
#[derive(Debug)]
pub struct PseudoTruth {
    /// What is guessed; unobserved where there is no guess, or where something was seen.
    pub guess: Observation,
    /// How much each row's guess counts beside what was seen, `[rows]`; zero where there is none.
    pub weight: Tensor,
}

impl PseudoTruth {
    /// Mean over the rows of a batch of weight times L against the guess.
    ///
    /// `y_hat`: `[B, ..Y]`, one for each of `rows`, `[B]`.
    pub(super) fn loss(&self, task: &dyn Task, y_hat: &Tensor, rows: &Tensor) -> Result<Tensor> {
        let target = task.encode(&self.guess.select_rows(rows))?;
        let loss = task.objective(y_hat, &target)?.loss;
        Ok((loss * self.weight.index_select(0, rows)).mean(None))
    }
}

impl Data {
    /// Moves all to where the task computes, in its element type.
    pub(super) fn on(&self, spec: &TaskSpec) -> Self {
        let to = |obs: &Observation| obs.to(spec.kind, spec.device);
        let number = |tensor: &Tensor| tensor.to_kind(spec.kind).to_device(spec.device);
        let visited = |points: &Visited| Visited { z: number(&points.z), row: points.row.to_device(spec.device) };
        let pseudo = |truth: &PseudoTruth| PseudoTruth { guess: to(&truth.guess), weight: number(&truth.weight) };
        Self {
            training: to(&self.training),
            held_out: self.held_out.as_ref().map(to),
            visited: self.visited.as_ref().map(visited),
            pseudo: self.pseudo.as_ref().map(pseudo),
        }
    }

    /// Describes the observations in a line that changes when any value does.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let guess = self.pseudo.as_ref().map(|truth| &truth.guess);
        let all = [("training", Some(&self.training)), ("held_out", self.held_out.as_ref()), ("guess", guess)];
        let mut tensors = Vec::new();
        for (name, obs) in all {
            for (kind, field) in obs.iter().flat_map(|obs| obs.fields()) {
                tensors.push((format!("{name}.{kind}"), field.value().shallow_clone()));
                tensors.push((format!("{name}.{kind}.observed"), field.observed().shallow_clone()));
            }
        }
        let visited = self.visited.iter().flat_map(|points| [("visited.z", &points.z), ("visited.row", &points.row)]);
        let weight = self.pseudo.iter().map(|truth| ("guess.weight", &truth.weight));
        tensors.extend(visited.chain(weight).map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone())));
        let held_out = self.held_out.as_ref().map_or(0, Observation::rows);
        format!("{} ({} observations, {held_out} held out)", fingerprint(&tensors), self.training.rows())
    }
}

/// Hides joints, points and pixels row by row.
#[must_use]
pub fn hide(obs: &Observation, masks: &Masks, random: &mut StdRng) -> Observation {
    let mut hidden = obs.shallow_clone();
    if masks.is_complete() {
        return hidden;
    }
    let visible: Vec<Visible> = (0..obs.rows()).map(|_| masks.draw(random)).collect();
    let rows = |of: fn(&Visible) -> &[bool]| visible.iter().flat_map(of).copied().collect::<Vec<bool>>();
    let hide = |field: &Masked, mask: &[bool]| {
        let mut shape = vec![1; field.value().dim()];
        (shape[0], shape[1]) = (field.value().size()[0], field.value().size()[1]);
        field.hide(&Tensor::from_slice(mask).view(shape.as_slice()).to_device(field.value().device()))
    };
    hidden.joints = obs.joints.as_ref().map(|field| hide(field, &rows(|visible| &visible.joints)));
    hidden.image = obs.image.as_ref().map(|field| hide_pixels(field, &visible));
    hidden.points = obs.points.as_ref().map(|field| hide(field, &rows(|visible| &visible.points)));
    hidden
}

/// Hides pixels, all channels alike.
fn hide_pixels(field: &Masked, visible: &[Visible]) -> Masked {
    let [rows, _, height, width] = field.value().size()[..] else { return field.shallow_clone() };
    let whole = vec![true; (height * width) as usize];
    let mask =
        |visible: &Visible| visible.image.as_ref().map_or_else(|| whole.clone(), |patch| patch.mask(height, width));
    let masks: Vec<bool> = visible.iter().flat_map(mask).collect();
    field.hide(&Tensor::from_slice(&masks).view([rows, 1, height, width]).to_device(field.value().device()))
}
