//! TorchScript: read with suspicion, run without surprise.

use std::io::{Cursor, Read};
use std::path::PathBuf;

use tch::{CModule, Device, IValue, Kind, Tensor};
use thalweg_nn::{NnError, Perceptron, files};
use thalweg_task::{Result, TaskError, first_line};

use crate::description::{Description, Layers};

/// F in the folder.
pub const FORWARD: &str = "forward.ts";
/// L in the folder, where it is not built in.
pub const OBJECTIVE: &str = "objective.ts";
/// Largest module that is read, bytes.
const MOST_BYTES: u64 = 512 << 20;
/// What it may become when it is unpacked, and of how many parts it may be.
const MOST_UNPACKED: u64 = 1 << 30;
const MOST_PARTS: usize = 20_000;
/// Largest part with code, bytes.
const MOST_CODE: u64 = 16 << 20;
/// Calls that reach files; nothing that computes F needs them.
const REACHES_FILES: [&str; 4] = ["from_file(", "torch.save(", "aten.save(", "torch.load("];
/// How far a perceptron may be from the module that it stands for, relative to the largest number.
const EQUAL: f64 = 1e-4;
/// Latents at which they are compared.
const COMPARED: i64 = 16;

/// A file of TorchScript as it was read: it can be loaded again and again.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    path: PathBuf,
    bytes: Vec<u8>,
    /// A hash of all that it is.
    fingerprint: String,
}

impl Script {
    /// Reads a file; refuses what is no TorchScript, and what reaches files.
    pub(crate) fn read(path: PathBuf) -> Result<Self> {
        let bytes = match files::read_limited(&path, MOST_BYTES) {
            Ok(bytes) => bytes,
            Err(source) => return Err(TaskError::Weights(NnError::Io { path, source })),
        };
        let fingerprint = blake3::hash(&bytes).to_hex()[..16].to_owned();
        let script = Self { path, bytes, fingerprint };
        script.inspect().map_err(|reason| script.refuse(&reason))?;
        Ok(script)
    }

    /// A hash of all that it is.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub(crate) fn refuse(&self, reason: &str) -> TaskError {
        TaskError::Weights(NnError::Weights { path: self.path.clone(), reason: first_line(reason).to_owned() })
    }

    /// Looks into the archive before libtorch does.
    fn inspect(&self) -> std::result::Result<(), String> {
        let none =
            |what: String| format!("no TorchScript ({what}); torch.jit.save writes it, thalweg_export uses that");
        if self.bytes.is_empty() {
            return Err(none("the file is empty".to_owned()));
        }
        let archive = zip::ZipArchive::new(Cursor::new(&self.bytes)).map_err(|error| none(error.to_string()))?;
        if archive.len() > MOST_PARTS {
            return Err(format!("{} parts; expected at most {MOST_PARTS}", archive.len()));
        }
        let names: Vec<String> = archive.file_names().map(str::to_owned).collect();
        if !names.iter().any(|name| name.contains("/code/")) {
            return Err(none("a pickle without code, as torch.save writes it".to_owned()));
        }
        self.inspect_parts(archive, &names)
    }

    fn inspect_parts(
        &self,
        mut archive: zip::ZipArchive<Cursor<&Vec<u8>>>,
        names: &[String],
    ) -> std::result::Result<(), String> {
        let mut unpacked = 0_u64;
        for name in names {
            let part = archive.by_name(name).map_err(|error| format!("part {name}: {error}"))?;
            unpacked = unpacked.saturating_add(part.size());
            if unpacked > MOST_UNPACKED {
                return Err(format!("unpacked it has more than {MOST_UNPACKED} bytes"));
            }
            if !name.ends_with(".py") {
                continue;
            }
            let mut code = String::new();
            let read = part.take(MOST_CODE + 1).read_to_string(&mut code).map_err(|error| error.to_string())?;
            if read as u64 > MOST_CODE {
                return Err(format!("part {name}: expected at most {MOST_CODE} bytes of code"));
            }
            for (number, line) in (1..).zip(code.lines()) {
                if let Some(call) = REACHES_FILES.iter().find(|call| line.contains(*call)) {
                    let call = call.trim_end_matches('(');
                    return Err(format!("{name}, line {number}: it calls {call}, which reaches files; leave that out"));
                }
            }
        }
        Ok(())
    }

    /// Loads it for a device and an element type.
    pub(crate) fn load(&self, kind: Kind, device: Device) -> Result<Module> {
        // Without a profile the first runs are as all others, and nothing is fused or compiled between two steps.
        tch::jit::f_set_profiling_mode(false)?;
        let loaded = CModule::load_data_on_device(&mut self.bytes.as_slice(), device);
        let mut module = loaded.map_err(|error| self.refuse(&error.to_string()))?;
        module.f_set_eval().map_err(|error| self.refuse(&error.to_string()))?;
        module.to(device, kind, false);
        for (_, weights) in module.named_parameters()? {
            drop(weights.set_requires_grad(false));
        }
        Ok(Module { module, path: self.path.clone() })
    }
}

/// A loaded module.
#[derive(Debug)]
pub(crate) struct Module {
    module: CModule,
    path: PathBuf,
}

impl Module {
    /// Refuses parameters that are no numbers.
    pub(crate) fn check_finite(&self) -> Result<()> {
        let not_finite = |weights: &Tensor| weights.isfinite().all().int64_value(&[]) == 0;
        match self.module.named_parameters()?.iter().find(|(_, weights)| not_finite(weights)) {
            Some((name, _)) => Err(self.failed(&format!("parameter {name} has values that are not finite"))),
            None => Ok(()),
        }
    }

    fn failed(&self, why: &str) -> TaskError {
        TaskError::Weights(NnError::Weights { path: self.path.clone(), reason: first_line(why).trim().to_owned() })
    }

    /// Calls it with tensors, and wants one.
    pub(crate) fn tensor(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        let inputs: Vec<Tensor> = inputs.iter().map(|input| input.shallow_clone()).collect();
        self.module.forward_ts(&inputs).map_err(|error| self.failed(&told(&error.to_string())))
    }

    /// Applies F, `x` `[K, X]`, and brings what it gives into a row each, `[K, Y]`: joints, image, points.
    pub(crate) fn row(&self, x: &Tensor, description: &Description) -> Result<Tensor> {
        let given = self.module.forward_is(&[IValue::Tensor(x.shallow_clone())]);
        let given = given.map_err(|error| self.failed(&told(&error.to_string())))?;
        let widths = description.widths();
        let rows = x.size()[0];
        match given {
            IValue::Tensor(output) => {
                let width: i64 = widths.iter().sum();
                let size = output.size();
                let fits = size.first() == Some(&rows) && size[1..].iter().product::<i64>() == width;
                if size.is_empty() || !fits {
                    let text = format!("F: expected {width} numbers in each of {rows} rows, got shape {size:?}");
                    return Err(self.failed(&text));
                }
                Ok(output.reshape([rows, width]))
            }
            IValue::GenericDict(parts) => self.joined(&parts, widths, rows),
            other => {
                let text = format!("F: expected a tensor, or a dict with joints, image and points, got {other:?}");
                Err(self.failed(&text.chars().take(200).collect::<String>()))
            }
        }
    }

    /// Puts the parts of a dict one after the other.
    fn joined(&self, parts: &[(IValue, IValue)], widths: [i64; 3], rows: i64) -> Result<Tensor> {
        let mut columns = Vec::new();
        for (name, width) in ["joints", "image", "points"].into_iter().zip(widths) {
            if width == 0 {
                continue;
            }
            let part = parts.iter().find_map(|(key, value)| match (key, value) {
                (IValue::String(key), IValue::Tensor(tensor)) if key == name => Some(tensor),
                _ => None,
            });
            let part = part.ok_or_else(|| self.failed(&format!("F: its dict has no tensor '{name}'")))?;
            let size = part.size();
            if size.first() != Some(&rows) || size[1..].iter().product::<i64>() != width {
                let text = format!("F: {name}: expected {width} numbers in each of {rows} rows, got shape {size:?}");
                return Err(self.failed(&text));
            }
            columns.push(part.reshape([rows, width]));
        }
        Ok(Tensor::cat(&columns, 1))
    }

    /// The perceptron that the module is said to be, which [`Module::compare`] compares.
    pub(crate) fn perceptron(&self, layers: &Layers, description: &Description) -> Result<Perceptron> {
        let parameters = self.module.named_parameters()?;
        let find = |name: String| {
            let found = parameters.iter().find(|(known, _)| *known == name).map(|(_, tensor)| tensor.detach());
            let has = || parameters.iter().take(8).map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
            found.ok_or_else(|| self.failed(&format!("perceptron: no parameter {name}; it has {}", has())))
        };
        let pair = |layer: &String| Ok((find(format!("{layer}.weight"))?, find(format!("{layer}.bias"))?));
        let pairs: Vec<(Tensor, Tensor)> = layers.layers.iter().map(pair).collect::<Result<_>>()?;
        let perceptron = Perceptron::new(pairs, layers.slope)?;
        let inputs = perceptron.parameters().first().map_or(0, |weight| weight.size()[1]);
        if inputs != description.latent {
            return Err(
                self.failed(&format!("perceptron: takes {inputs} numbers, the latent has {}", description.latent))
            );
        }
        Ok(perceptron)
    }

    /// Refuses a perceptron that gives something else than the module.
    pub(crate) fn compare(&self, perceptron: &Perceptron, description: &Description) -> Result<()> {
        let like = perceptron.parameters().first().map_or((Kind::Float, Device::Cpu), |w| (w.kind(), w.device()));
        let count = COMPARED * description.latent;
        let x = ((Tensor::arange(count, like) * 1.7).sin() * 2.0).view([COMPARED, description.latent]);
        let (expected, got) = tch::no_grad(|| (self.row(&x, description), perceptron.forward(&x)));
        let expected = expected?;
        let deviation = if got.size() == expected.size() {
            ((&got - &expected).abs().max() / expected.abs().max().clamp_min(1e-6)).double_value(&[])
        } else {
            f64::INFINITY
        };
        if deviation.is_nan() || deviation > EQUAL {
            let text = format!(
                "perceptron: its layers give something else than the module (relative deviation {deviation:.1e}, limit \
                 {EQUAL:.0e}); export it again, or leave `perceptron` out of task.yaml"
            );
            return Err(self.failed(&text));
        }
        Ok(())
    }
}

/// What libtorch says of a failure in the interpreter: the last line tells it, the others where.
fn told(text: &str) -> String {
    let text = text.replace("\\n", "\n");
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let place = lines.iter().find(|line| line.starts_with("File \"")).copied().unwrap_or_default();
    let error = lines.iter().find(|line| line.starts_with("RuntimeError:") || line.contains("Error:"));
    let error = error.or(lines.first()).copied().unwrap_or("it failed");
    if place.is_empty() { error.to_owned() } else { format!("{error} ({place})") }
}
