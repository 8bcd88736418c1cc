//! A small sound task, and the same task with one flaw at a time.

#![allow(clippy::unwrap_used)]

use std::cell::Cell;

use tch::{Kind, Tensor};
use thalweg_nn::NnError;
use thalweg_task::{
    Bone, ImageSpec, JointSpec, LoadOptions, Masked, Objective, Observation, PointsSpec, Reconstruction, Result,
    SkeletonSpec, Target, Task, TaskError, TaskSpec,
};

/// Latent dimension.
const LATENT: i64 = 3;

/// A dimension of which only some are differenced by themselves; number 2 is not among them.
const WIDE: i64 = 400;

/// Two joints, one 1x2x2 image, one point.
const WIDTHS: [i64; 3] = [2, 4, 3];

/// All columns of F's output.
const WIDTH: i64 = 9;

/// What is wrong with a double.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Flaw {
    None,
    LossOnly,
    LoadError,
    LoadPanic,
    IgnoresKind,
    LimitsSwapped,
    LooseBone,
    JointTwice,
    NoFingerprint,
    ObservesNothing,
    ExtraColumn,
    LossColumn,
    NoJointsRendered,
    HalfLoss,
    TrainableWeights,
    AcceptsAnyWidth,
    PanicsOnWidth,
    IgnoresRows,
    AcceptsInfinity,
    NanTail,
    NanRendered,
    ClassTwice,
    NoLabelRendered,
    LabelTooWide,
    NanSeen,
    BatchMeanSeen,
    AcceptsAnyWidthSeen,
    NegativeLoss,
    Counts,
    FreshWeights,
    ChangesInput,
    Detached,
    PartlyDetached,
    /// None, but X is large.
    Wide,
    WideDetached,
    PanicsInObjective,
    ResidualTwice,
    ResidualMissing,
    ResidualDetached,
    Offset,
    BatchMean,
    BatchMeanInLoss,
    NanSum,
    GradientOfNeighbour,
    FirstTarget,
    TakesHiddenForZero,
    HiddenIsNan,
    HiddenPrior,
    RefusesAbsentKinds,
    AbsentIsOrigin,
}

/// `y = sin(x A)` with a fixed matrix A, scored by weighted squares.
pub(crate) struct Double {
    flaw: Flaw,
    spec: TaskSpec,
    matrix: Tensor,
    calls: Cell<f64>,
}

thread_local! {
    static LOADS: Cell<f64> = const { Cell::new(0.0) };
}

impl Double {
    pub(crate) fn load(flaw: Flaw, options: &LoadOptions) -> Result<Box<dyn Task>> {
        if flaw == Flaw::LoadError {
            let reason = "no such weights".to_owned();
            return Err(NnError::Weights { path: "double.safetensors".into(), reason }.into());
        }
        assert!(flaw != Flaw::LoadPanic, "the double panics while loading");
        let mut spec = describe(options);
        spoil(&mut spec, flaw);
        let latent = spec.latent;
        let scale = (LATENT as f64 / latent as f64).sqrt();
        let mut values: Vec<f64> = (0..latent * WIDTH).map(|i| scale * ((i * i + 3 * i + 1) as f64).sin()).collect();
        if flaw == Flaw::FreshWeights {
            LOADS.set(LOADS.get() + 1.0);
            values[0] += 1e-3 * LOADS.get();
        }
        let matrix = Tensor::from_slice(&values).view([latent, WIDTH]).to_kind(spec.kind);
        let matrix = matrix.set_requires_grad(flaw == Flaw::TrainableWeights);
        Ok(Box::new(Self { flaw, spec, matrix, calls: Cell::new(0.0) }))
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    /// Columns of what F really gives.
    fn width(&self) -> i64 {
        WIDTH + i64::from(self.is(Flaw::ExtraColumn))
    }

    /// Refuses a tensor that is not `[K, width]`, unless the flaw is to let it pass.
    fn check(&self, what: &'static str, tensor: &Tensor, width: i64) -> Result<()> {
        let fits = matches!(tensor.size()[..], [_, columns] if columns == width);
        assert!(fits || !self.is(Flaw::PanicsOnWidth), "the double panics at a wrong width");
        if fits { Ok(()) } else { Err(TaskError::shape(what, format!("[K, {width}]"), tensor)) }
    }
}

fn describe(options: &LoadOptions) -> TaskSpec {
    let joint = |name: &str| JointSpec { name: name.to_owned(), unit: "rad".to_owned(), lower: -1.0, upper: 1.0 };
    TaskSpec {
        name: "double".to_owned(),
        latent: LATENT,
        output: vec![WIDTH],
        joints: vec![joint("left"), joint("right")],
        groups: Vec::new(),
        reads_joints: true,
        image: Some(ImageSpec { channels: 1, height: 2, width: 2 }),
        points: Some(PointsSpec {
            names: vec!["tip".to_owned()],
            frame: "base_link".to_owned(),
            tracker: None,
            cloud: 0,
            rays: false,
        }),
        skeleton: Some(SkeletonSpec {
            frame: "base_link".to_owned(),
            bones: vec![Bone { from: None, to: 0, joints: vec![0, 1] }],
        }),
        classes: Vec::new(),
        convention: None,
        residual: true,
        fingerprint: "double-1".to_owned(),
        device: options.device,
        kind: options.kind,
    }
}

fn spoil(spec: &mut TaskSpec, flaw: Flaw) {
    match flaw {
        Flaw::LimitsSwapped => spec.joints[0].lower = 2.0,
        Flaw::JointTwice => spec.joints[1].name = "left".to_owned(),
        Flaw::ClassTwice => spec.classes = vec!["cat".to_owned(); 2],
        Flaw::NoLabelRendered | Flaw::LabelTooWide => spec.classes = vec!["cat".to_owned(), "dog".to_owned()],
        Flaw::NoFingerprint => spec.fingerprint.clear(),
        Flaw::ObservesNothing => {
            spec.reads_joints = false;
            (spec.image, spec.points) = (None, None);
        }
        Flaw::LooseBone => {
            if let Some(skeleton) = &mut spec.skeleton {
                skeleton.bones[0].to = 1;
            }
        }
        Flaw::Wide | Flaw::WideDetached => spec.latent = WIDE,
        Flaw::LossOnly => spec.residual = false,
        Flaw::IgnoresKind => spec.kind = Kind::Float,
        _ => {}
    }
}

impl Task for Double {
    fn spec(&self) -> &TaskSpec {
        &self.spec
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if self.is(Flaw::AcceptsAnyWidth) && x.size().last() != Some(&LATENT) {
            return Ok(Tensor::zeros([x.size()[0], WIDTH], (self.spec.kind, self.spec.device)));
        }
        self.check("x", x, self.spec.latent)?;
        let part = |first: i64, end: i64| x.narrow(1, first, end - first);
        let x = if self.is(Flaw::WideDetached) {
            &Tensor::cat(&[part(0, 2), part(2, 3).detach(), part(3, WIDE)], 1)
        } else {
            x
        };
        let y_hat = x.matmul(&self.matrix).sin();
        Ok(match self.flaw {
            Flaw::ExtraColumn => Tensor::cat(&[&y_hat, &y_hat.narrow(1, 0, 1)], 1),
            Flaw::NanTail => y_hat.where_self(&x.narrow(1, 0, 1).lt(1.5), &y_hat.full_like(f64::NAN)),
            Flaw::ChangesInput => {
                let mut alias = x.detach();
                drop(alias.g_mul_scalar_(1.5));
                y_hat
            }
            Flaw::Counts => {
                self.calls.set(self.calls.get() + 1e-6);
                y_hat + self.calls.get()
            }
            Flaw::Detached => y_hat.detach(),
            Flaw::PartlyDetached => Tensor::cat(&[y_hat.narrow(1, 0, 8), y_hat.narrow(1, 8, 1).detach()], 1),
            Flaw::BatchMean => &y_hat + y_hat.mean_dim(0, true, y_hat.kind()) * 1e-3,
            Flaw::NanSum => &y_hat + y_hat.sum(y_hat.kind()).detach() * 0.0,
            Flaw::GradientOfNeighbour => {
                let neighbour = y_hat.roll([1], [0]) * 1e-3;
                &y_hat + &neighbour - neighbour.detach()
            }
            _ => y_hat,
        })
    }

    fn encode(&self, obs: &Observation) -> Result<Target> {
        let obs = obs.to(self.spec.kind, self.spec.device);
        match (obs.validate(&self.spec), self.flaw) {
            (Err(TaskError::Infinite { .. }), Flaw::AcceptsInfinity) => {}
            (verdict, _) => verdict?,
        }
        let fields = [&obs.joints, &obs.image, &obs.points];
        let columns: Vec<_> =
            fields.iter().zip(WIDTHS).map(|(field, width)| self.column(field.as_ref(), obs.rows(), width)).collect();
        let columns: Vec<_> = columns.into_iter().collect::<Result<_>>()?;
        let (value, weight): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        Ok(Target { value: Tensor::cat(&value, 1), weight: Tensor::cat(&weight, 1) })
    }

    fn objective(&self, y_hat: &Tensor, target: &Target) -> Result<Objective> {
        self.check("y_hat", y_hat, self.width())?;
        assert!(!self.is(Flaw::PanicsInObjective), "the double panics in the objective");
        let (rows, targets) = (y_hat.size()[0], target.value.size()[0]);
        if targets != 1 && targets != rows && !self.is(Flaw::IgnoresRows) {
            return Err(TaskError::shape("target", format!("[1 or {rows}, {WIDTH}]"), &target.value));
        }
        let first = self.is(Flaw::FirstTarget) || (self.is(Flaw::IgnoresRows) && targets != rows);
        let target = if first { target.rows(&Tensor::from_slice(&[0_i64])) } else { target.shallow_clone() };
        let residual = (y_hat.narrow(1, 0, WIDTH) - &target.value) * &target.weight;
        if self.is(Flaw::HiddenPrior) {
            return Ok(Objective::of_residual(Tensor::cat(&[residual, y_hat * 1e-4], 1)));
        }
        Ok(self.score(residual))
    }

    fn render(&self, y_hat: &Tensor) -> Result<Reconstruction> {
        self.check("y_hat", y_hat, self.width())?;
        let shift = if self.is(Flaw::Offset) { 0.01 } else { 0.0 };
        let image = y_hat.narrow(1, 2, 4).reshape([-1, 1, 2, 2]);
        let image = if self.is(Flaw::NanRendered) { image * f64::NAN } else { image };
        Ok(Reconstruction {
            joints: (!self.is(Flaw::NoJointsRendered)).then(|| y_hat.narrow(1, 0, 2) + shift),
            image: Some(image),
            points: Some(y_hat.narrow(1, 6, 3).reshape([-1, 1, 3])),
            label: match self.flaw {
                Flaw::ClassTwice => Some(y_hat.narrow(1, 0, 2)),
                Flaw::LabelTooWide => Some(y_hat.narrow(1, 0, 3)),
                _ => None,
            },
        })
    }

    fn render_seen(&self, y_hat: &Tensor, target: &Target) -> Result<Reconstruction> {
        if self.is(Flaw::AcceptsAnyWidthSeen) {
            return self.render(&y_hat.narrow(1, 0, WIDTH));
        }
        let (rendered, seen) = (self.render(y_hat)?, target.value.narrow(1, 6, 3).reshape([-1, 1, 3]));
        let Some(points) = rendered.points.as_ref() else { return Ok(rendered) };
        let points = match self.flaw {
            Flaw::NanSeen => points * f64::NAN,
            Flaw::BatchMeanSeen => points + points.mean_dim(0, true, points.kind()),
            _ => points * 0.5 + seen * 0.5,
        };
        Ok(Reconstruction { points: Some(points), ..rendered })
    }
}

impl Double {
    /// Brings one field into value and weight, `[O, width]`.
    fn column(&self, field: Option<&Masked>, rows: i64, width: i64) -> Result<(Tensor, Tensor)> {
        let zeros = Tensor::zeros([rows, width], (self.spec.kind, self.spec.device));
        let Some(field) = field else {
            return match self.flaw {
                Flaw::RefusesAbsentKinds => Err(TaskError::EmptyObservation {
                    task: "double".to_owned(),
                    observes: "everything at once".to_owned(),
                }),
                Flaw::AbsentIsOrigin => Ok((zeros.shallow_clone(), zeros.ones_like())),
                _ => Ok((zeros.shallow_clone(), zeros)),
            };
        };
        let value = if self.is(Flaw::HiddenIsNan) { field.with_nan() } else { field.value().shallow_clone() };
        let weight = if self.is(Flaw::TakesHiddenForZero) {
            zeros.ones_like()
        } else {
            field.observed().to_kind(self.spec.kind)
        };
        Ok((value.view([rows, width]), weight.view([rows, width])))
    }

    fn score(&self, residual: Tensor) -> Objective {
        let kind = residual.kind();
        let Objective { loss, residual } = Objective::of_residual(residual);
        let residual = residual.unwrap();
        match self.flaw {
            Flaw::LossOnly | Flaw::ResidualMissing => Objective::of_loss(loss),
            Flaw::LossColumn => Objective { loss: loss.unsqueeze(1), residual: Some(residual) },
            Flaw::HalfLoss => Objective { loss: loss.to_kind(Kind::Half), residual: Some(residual) },
            Flaw::NegativeLoss => Objective { loss: loss - 1e-3, residual: Some(residual) },
            Flaw::ResidualTwice => Objective { loss, residual: Some(residual * 2.0) },
            Flaw::ResidualDetached => Objective { loss, residual: Some(residual.detach()) },
            Flaw::BatchMeanInLoss => Objective { loss: &loss + loss.mean(kind) * 1e-3, residual: Some(residual) },
            _ => Objective { loss, residual: Some(residual) },
        }
    }
}
