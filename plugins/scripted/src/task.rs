//! The task: TorchScript as F, what was seen compared as L.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tch::{Kind, Tensor};
use thalweg_gan_inversion::Lpips;
use thalweg_nn::{NnError, Perceptron, files};
use thalweg_task::{
    Change, DenseForm, DenseHead, Entry, Kinds, LoadOptions, Masked, Objective, Observation, ParameterRange,
    ParameterSpec, ParameterValue, Reconstruction, Result, Target, Task, TaskError, TaskSpec, conformance, lock,
    nearest,
};

use crate::description::{Description, FILE};
use crate::module::{FORWARD, Module, OBJECTIVE, Script};

/// What the registry knows about this task.
pub const ENTRY: Entry = Entry {
    name: "scripted",
    summary: "inverts a PyTorch model: a folder with task.yaml and TorchScript, which thalweg_export writes",
    observes: Kinds { joints: true, image: true, points: true },
    parameters: describe_parameters,
    suited: Vec::new,
    load: ScriptedTask::load,
};

/// Name of the parameter.
pub const PARAMETER: &str = "task";
/// The task that is taken where nobody names one.
const DEFAULT: &str = "hand";
/// Folder of the shipped tasks in the folder of weights.
const SHIPPED: &str = "scripted";
/// Longest path, bytes: that of Linux.
const MOST_PATH: usize = 4096;
/// A URDF in the folder, and most bytes of it.
const URDF: &str = "robot.urdf";
const MOST_URDF: u64 = 16 << 20;

/// Models that were found to keep the contract: a training loads the same one hundreds of times.
static ASSURED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// What the files of a folder say.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    description: Description,
    forward: Script,
    objective: Option<Script>,
    urdf: Option<String>,
    /// Whether its numbers were found to be finite, and its layers to give what the module gives.
    is_sound: Cell<bool>,
}

impl Folder {
    fn read(path: &Path) -> Result<Self> {
        let description = Description::read(path)?;
        let forward = Script::read(path.join(FORWARD))?;
        let objective = description.is_of_file().then(|| Script::read(path.join(OBJECTIVE))).transpose()?;
        let urdf = match files::read_text(&path.join(URDF), MOST_URDF) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(source) => return Err(TaskError::Weights(NnError::Io { path: path.join(URDF), source })),
        };
        Ok(Self { path: path.to_owned(), description, forward, objective, urdf, is_sound: Cell::default() })
    }
}

impl Folder {
    /// What tells this model, with all that it says, from any other.
    fn identity(&self) -> String {
        let objective = self.objective.as_ref().map_or("", Script::fingerprint);
        format!("{} {objective} {:?}", self.forward.fingerprint(), self.description)
    }
}

/// Inversion of a model that was written in PyTorch.
#[derive(Debug)]
struct ScriptedTask {
    spec: TaskSpec,
    folder: PathBuf,
    urdf: Option<String>,
    description: Description,
    forward: Forward,
    /// L, where it is not built in.
    objective: Option<Module>,
    /// LPIPS, and the factor of its features, where the image is compared by it, too.
    lpips: Option<(Lpips, f64)>,
    /// Factor of each number of F's output, `[Y]`.
    weights: Tensor,
    /// 1 where the chord is compared, `[Y]`; none where that is nowhere.
    chords: Option<Tensor>,
}

/// What computes F.
#[derive(Debug)]
enum Forward {
    Module(Module),
    Perceptron(Perceptron),
}

impl ScriptedTask {
    /// Loads a folder, and holds it to the rules of the contract.
    ///
    /// Parameter: `task`, a folder, or the name of a shipped one.
    ///
    /// # Errors
    /// [`TaskError`] about the parameter, a file, or the rule that is broken.
    fn load(options: &LoadOptions) -> Result<Box<dyn Task>> {
        let folder = find(options)?;
        let load = |options: &LoadOptions| Ok(Box::new(Self::of(&folder, options)?) as Box<dyn Task>);
        let identity = folder.identity();
        // In f64 it is loaded by the conformance kit, which checks more than this.
        if options.kind != Kind::Float || lock(&ASSURED).contains(&identity) {
            return load(options);
        }
        let task = conformance::assure(&folder.path, &load, options)?;
        lock(&ASSURED).insert(identity);
        Ok(task)
    }

    fn of(folder: &Folder, options: &LoadOptions) -> Result<Self> {
        let description = &folder.description;
        let module = folder.forward.load(options.kind, options.device)?;
        // The kit loads it three times.
        if !folder.is_sound.get() {
            module.check_finite()?;
        }
        let forward = match &description.perceptron {
            Some(layers) => {
                let perceptron = module.perceptron(layers, description)?;
                if !folder.is_sound.get() {
                    module.compare(&perceptron, description)?;
                }
                Forward::Perceptron(perceptron)
            }
            None => Forward::Module(module),
        };
        let objective =
            folder.objective.as_ref().map(|script| script.load(options.kind, options.device)).transpose()?;
        if let Some(objective) = objective.as_ref().filter(|_| !folder.is_sound.get()) {
            objective.check_finite()?;
        }
        folder.is_sound.set(true);
        let refuse = |reason| TaskError::Weights(NnError::Weights { path: folder.path.join(FILE), reason });
        let numbers = |values: &[f64]| Tensor::from_slice(values).to_kind(options.kind).to_device(options.device);
        let angles = description.chords();
        let mut chords = vec![0.0; description.widths().iter().sum::<i64>() as usize];
        angles.iter().for_each(|angle| chords[*angle] = 1.0);
        let lpips = match description.lpips() {
            Some(weight) => Some((Lpips::load(&options.models.join(Lpips::FILE), options)?, weight)),
            None => None,
        };
        let mut task = Self {
            spec: describe(folder, options).map_err(refuse)?,
            folder: folder.path.clone(),
            urdf: folder.urdf.clone(),
            forward,
            objective,
            lpips,
            weights: numbers(&weights(description)),
            chords: (!angles.is_empty()).then(|| numbers(&chords)),
            description: description.clone(),
        };
        if task.objective.is_some() {
            task.spec.residual = task.has_residual()?;
        }
        // A sum of squares, but of tens of thousands: Levenberg-Marquardt would differentiate each.
        task.spec.residual &= task.lpips.is_none();
        Ok(task)
    }

    /// Asks L what it gives: residuals `[K, M]`, or losses `[K]`.
    fn has_residual(&self) -> Result<bool> {
        let width = self.width();
        let (row, like) = ([2, width], (self.spec.kind, self.spec.device));
        let target = Target { value: Tensor::zeros(row, like), weight: Tensor::ones(row, like) };
        Ok(self.objective(&Tensor::zeros(row, like), &target)?.residual.is_some())
    }

    /// What LPIPS sees of images in rows, `[K, H W C]`, black 0, white 1: its features times their weight, `[K, M]`; `seen`
    /// is as an image, zero where a pixel was not seen.
    fn features(&self, (lpips, weight): &(Lpips, f64), image: &Tensor, seen: &Tensor) -> Result<Tensor> {
        let Some(spec) = self.spec.image else { return Err(TaskError::shape("image", "one".to_owned(), image)) };
        let whole = |rows: &Tensor| {
            let rows = rows.reshape([-1, spec.channels, spec.height, spec.width]);
            // Grey is red, green and blue alike.
            rows.expand([-1, 3, -1, -1], false)
        };
        Ok(lpips.features(&whole(image), &whole(seen))? * *weight)
    }

    fn check(&self, what: &'static str, tensor: &Tensor, width: i64) -> Result<()> {
        let fits = matches!(tensor.size()[..], [_, columns] if columns == width);
        if fits { Ok(()) } else { Err(TaskError::shape(what, format!("[K, {width}]"), tensor)) }
    }

    fn width(&self) -> i64 {
        self.spec.output.iter().product()
    }
}

impl Task for ScriptedTask {
    fn spec(&self) -> &TaskSpec {
        &self.spec
    }

    /// Applies F to `x`, `[K, X]`; `[K, Y]`: joints, then the image row by row, then x, y, z of points.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.check("x", x, self.spec.latent)?;
        match &self.forward {
            Forward::Module(module) => module.row(x, &self.description),
            Forward::Perceptron(perceptron) => Ok(perceptron.forward(x)),
        }
    }

    fn encode(&self, obs: &Observation) -> Result<Target> {
        // Converted first: a large f64 is infinite as f32, and must be refused as such.
        let obs = obs.to(self.spec.kind, self.spec.device);
        obs.validate(&self.spec)?;
        let rows = obs.rows();
        let (seen, counts) = obs.joints_to_compare().map_or((None, None), |(seen, counts)| (Some(seen), counts));
        let fields = [seen.as_ref(), obs.image.as_ref(), obs.points.as_ref()];
        // How much each number counts; a residual is squared.
        let counts =
            [counts, None, obs.confidence.as_ref().map(|confidence| confidence.repeat_interleave_self_int(3, 1, None))];
        let (mut values, mut weights) = (Vec::new(), Vec::new());
        let kinds = fields.into_iter().zip(counts).zip(self.description.widths());
        for ((field, counts), width) in kinds.filter(|(_, width)| *width > 0) {
            let (value, mut weight) = columns(field, rows, width, (self.spec.kind, self.spec.device));
            if let Some(counts) = counts.filter(|_| field.is_some()) {
                weight *= counts.sqrt();
            }
            values.push(value);
            weights.push(weight);
        }
        if let Some(lpips) = self.lpips.as_ref().filter(|_| obs.image.is_some()) {
            // Behind the numbers that F gives; without an image there are none.
            let image = usize::from(!self.spec.joints.is_empty());
            values.push(tch::no_grad(|| self.features(lpips, &values[image], &weights[image]))?);
        }
        Ok(Target { value: joined(values), weight: joined(weights) * &self.weights })
    }

    fn objective(&self, y_hat: &Tensor, target: &Target) -> Result<Objective> {
        let width = self.width();
        self.check("y_hat", y_hat, width)?;
        let (rows, targets) = (y_hat.size()[0], target.value.size()[0]);
        if targets != 1 && targets != rows {
            return Err(TaskError::shape("target", format!("[1 or {rows}, {width}]"), &target.value));
        }
        if let Some(module) = &self.objective {
            let given = module.tensor(&[y_hat, &target.value, &target.weight])?;
            return match given.size()[..] {
                [count] if count == rows => Ok(Objective::of_loss(given)),
                [count, _] if count == rows => Ok(Objective::of_residual(given)),
                _ => Err(TaskError::shape("objective", format!("[{rows}] losses or [{rows}, M] residuals"), &given)),
            };
        }
        let difference = y_hat - target.value.narrow(1, 0, width);
        let difference = match &self.chords {
            Some(chords) => &difference + ((&difference / 2.0).sin() * 2.0 - &difference) * chords,
            None => difference,
        };
        let residual = difference * &target.weight;
        let Some(lpips) = &self.lpips else { return Ok(Objective::of_residual(residual)) };
        let mut loss = residual.square().sum_dim_intlist([1].as_slice(), false, self.spec.kind);
        let more = target.value.size()[1] - width;
        if more > 0 {
            let [joints, image, _] = self.description.widths();
            let seen = target.weight.narrow(1, joints, image).not_equal(0.0).to_kind(self.spec.kind);
            let apart =
                self.features(lpips, &y_hat.narrow(1, joints, image), &seen)? - target.value.narrow(1, width, more);
            loss += apart.square().sum_dim_intlist([1].as_slice(), false, self.spec.kind);
        }
        Ok(Objective::of_loss(loss))
    }

    fn render(&self, y_hat: &Tensor) -> Result<Reconstruction> {
        self.check("y_hat", y_hat, self.width())?;
        let rows = y_hat.size()[0];
        let parts = y_hat.split_with_sizes(self.description.widths(), 1);
        let image = self.spec.image.map(|image| [rows, image.channels, image.height, image.width]);
        Ok(Reconstruction {
            joints: (!self.spec.joints.is_empty()).then(|| parts[0].shallow_clone()),
            image: image.map(|size| parts[1].reshape(size)),
            points: self.spec.points.is_some().then(|| parts[2].reshape([rows, -1, 3])),
            ..Reconstruction::default()
        })
    }

    fn dense(&self) -> Option<DenseForm<'_>> {
        match &self.forward {
            Forward::Perceptron(layers) if self.objective.is_none() && self.lpips.is_none() => {
                let angles = self.description.chords();
                let head = if angles.is_empty() { DenseHead::Plain } else { DenseHead::Chords(angles) };
                Some(DenseForm { layers, head })
            }
            _ => None,
        }
    }

    fn folder(&self) -> Option<&Path> {
        Some(&self.folder)
    }

    fn robot_description(&self) -> Option<&str> {
        self.urdf.as_deref()
    }
}

/// Puts columns side by side, `[O, ..]`; a single one needs no copy.
fn joined(mut columns: Vec<Tensor>) -> Tensor {
    match columns.len() {
        1 => columns.remove(0),
        _ => Tensor::cat(&columns, 1),
    }
}

/// One observed kind in its columns of the target: value and whether it was seen, `[O, width]`.
fn columns(field: Option<&Masked>, rows: i64, width: i64, like: (Kind, tch::Device)) -> (Tensor, Tensor) {
    match field {
        Some(field) => (field.value().reshape([rows, width]), field.observed().reshape([rows, width]).to_kind(like.0)),
        None => (Tensor::zeros([rows, width], like), Tensor::zeros([rows, width], like)),
    }
}

/// The factor of each of F's numbers: joints, image, points.
fn weights(description: &Description) -> Vec<f64> {
    let [_, pixels, numbers] = description.widths().map(|width| width as usize);
    let image = description.image.as_ref().map_or(0.0, |image| image.weight);
    let points = description.points.as_ref().map_or(0.0, |points| points.weight);
    let joints = description.joints.iter().map(|joint| joint.weight);
    joints.chain([image].repeat(pixels)).chain([points].repeat(numbers)).collect()
}

/// The folder that is named, or the shipped one of that name.
fn find(options: &LoadOptions) -> Result<Folder> {
    let mut named = DEFAULT;
    for (name, value) in &options.parameters {
        if name != PARAMETER {
            return Err(TaskError::UnknownName {
                kind: "parameter",
                name: name.clone(),
                hint: nearest(name, [PARAMETER].into_iter()),
            });
        }
        let refuse = || TaskError::Parameter {
            name: name.clone(),
            got: value.to_string(),
            expected: format!("a folder with {FILE} and {FORWARD}"),
        };
        named = value.as_str().ok_or_else(refuse)?;
    }
    let named = if named.is_empty() { DEFAULT } else { named };
    let shipped = options.models.join(SHIPPED).join(named);
    let is_nowhere = |error: &TaskError| match error {
        TaskError::Weights(NnError::Io { path, source }) => {
            path.ends_with(FILE) && matches!(source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
        }
        _ => false,
    };
    match Folder::read(Path::new(named)) {
        Err(error) if is_nowhere(&error) => match Folder::read(&shipped) {
            Err(error) if is_nowhere(&error) => Err(TaskError::Parameter {
                name: PARAMETER.to_owned(),
                got: named.to_owned(),
                expected: format!(
                    "a folder with {FILE} and {FORWARD}, which thalweg_export writes, or the name of one in {}",
                    options.models.join(SHIPPED).display()
                ),
            }),
            read => read,
        },
        read => read,
    }
}

fn describe_parameters() -> Vec<ParameterSpec> {
    vec![ParameterSpec {
        name: PARAMETER.into(),
        default: ParameterValue::String(DEFAULT.to_owned()),
        unit: "",
        range: ParameterRange::Text { most: MOST_PATH },
        change: Change::Unconfigured,
        description:
            "The model: a folder with task.yaml and forward.ts, or the name of one in `scripted` in the folder of \
                      `models`."
                .into(),
    }]
}

fn describe(folder: &Folder, options: &LoadOptions) -> std::result::Result<TaskSpec, String> {
    let description = &folder.description;
    let points = description.points.as_ref().map_or(&[][..], |points| &points.names[..]);
    let joints: Vec<&str> = description.joints.iter().map(|joint| joint.name.as_str()).collect();
    let layout = format!("{joints:?} {:?} {points:?}", description.image);
    Ok(TaskSpec {
        name: ENTRY.name.to_owned(),
        latent: description.latent,
        output: vec![description.widths().iter().sum()],
        joints: description.joint_specs(),
        groups: description.groups()?,
        reads_joints: !description.joints.is_empty(),
        image: description.image_spec(),
        points: description.points_spec(),
        skeleton: description.skeleton()?,
        classes: Vec::new(),
        convention: None,
        residual: true,
        fingerprint: format!("{} {}", folder.forward.fingerprint(), &blake3::hash(layout.as_bytes()).to_hex()[..8]),
        device: options.device,
        kind: options.kind,
    })
}
