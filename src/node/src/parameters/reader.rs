//! From the values of a store to typed settings.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};
use thalweg_task::{ParameterKind, ParameterRefusal, ParameterValue};

use super::error::ParameterError;
use super::settings::{InputSettings, Method, OutputSettings, QosOverride, RecordSettings};
use super::store::Store;
use super::word::Word;
use crate::intake::{CloudBox, ColourKey, ImageConfig, Pairing, PeopleConfig, WHOLE};
use thalweg::{DeviceChoice, LandscapeSource, NoDevice, StartSource};
use thalweg_engine::{AdamConfig, Budget, EngineConfig, LmConfig, Optimizer};

/// Bytes in a megabyte.
const MEGABYTE: u64 = 1_000_000;

/// Reads single values by name and type.
pub(super) struct Reader<'a> {
    pub(super) store: &'a Store,
}

impl<'a> Reader<'a> {
    fn get(&self, name: &str) -> Result<&'a ParameterValue, ParameterError> {
        self.store.get(name).ok_or_else(|| ParameterError::unknown(name, self.store.names()))
    }

    pub(super) fn truth(&self, name: &str) -> Result<bool, ParameterError> {
        match self.get(name)? {
            ParameterValue::Bool(value) => Ok(*value),
            other => Err(wrong_kind(name, ParameterKind::Bool, other)),
        }
    }

    pub(super) fn integer(&self, name: &str) -> Result<i64, ParameterError> {
        match self.get(name)? {
            ParameterValue::Integer(value) => Ok(*value),
            other => Err(wrong_kind(name, ParameterKind::Integer, other)),
        }
    }

    /// A number of things; never negative in a store that keeps the table's ranges.
    fn count(&self, name: &str) -> Result<usize, ParameterError> {
        Ok(usize::try_from(self.integer(name)?).unwrap_or(0))
    }

    fn double(&self, name: &str) -> Result<f64, ParameterError> {
        match self.get(name)? {
            ParameterValue::Double(value) => Ok(*value),
            other => Err(wrong_kind(name, ParameterKind::Double, other)),
        }
    }

    fn cloud_box(&self) -> Result<CloudBox, ParameterError> {
        let name = "input.cloud_box";
        match self.get(name)? {
            // The store refuses other lengths.
            ParameterValue::DoubleArray(values) => {
                Ok(std::array::from_fn(|at| values.get(at).copied().unwrap_or(WHOLE[at])))
            }
            other => Err(wrong_kind(name, ParameterKind::DoubleArray, other)),
        }
    }

    pub(super) fn text(&self, name: &str) -> Result<&'a str, ParameterError> {
        match self.get(name)? {
            ParameterValue::String(value) => Ok(value),
            other => Err(wrong_kind(name, ParameterKind::String, other)),
        }
    }

    pub(super) fn duration(&self, name: &str) -> Result<Duration, ParameterError> {
        Ok(Duration::try_from_secs_f64(self.double(name)?).unwrap_or(Duration::MAX))
    }

    /// A setting that is one of a few words.
    fn word<T: Word>(&self, name: &str) -> Result<T, ParameterError> {
        let word = self.text(name)?;
        T::named(word).ok_or_else(|| refused(name, word, &T::range().to_string()))
    }

    pub(super) fn device(&self) -> Result<DeviceChoice, ParameterError> {
        let word = self.text("device")?;
        word.parse()
            .map_err(|_no_device: NoDevice| refused("device", word, "cpu, cuda, cuda:N, gpu, gpu:N, gpu:NAME, auto"))
    }

    pub(super) fn method(&self) -> Result<Method, ParameterError> {
        self.word("optimizer.kind")
    }

    pub(super) fn theta(&self) -> Result<LandscapeSource, ParameterError> {
        Ok(LandscapeSource::from(self.text("theta")?))
    }

    pub(super) fn start(&self) -> Result<StartSource, ParameterError> {
        Ok(StartSource::from(self.text("start.file")?))
    }

    pub(super) fn budget(&self) -> Result<Budget, ParameterError> {
        let steps = u32::try_from(self.integer("budget.steps")?).ok().filter(|steps| *steps > 0);
        let tolerance = Some(self.double("budget.tolerance")?).filter(|tolerance| *tolerance > 0.0);
        let deadline = Some(self.duration("budget.deadline")?);
        Ok(Budget { steps, deadline, tolerance, ..Budget::default() })
    }

    pub(super) fn engine(&self, seed: u64) -> Result<EngineConfig, ParameterError> {
        let optimizer = match self.method()? {
            Method::LevenbergMarquardt => Optimizer::LevenbergMarquardt(LmConfig::of_streams()),
            Method::Adam | Method::Auto => {
                Optimizer::Adam(AdamConfig { rate: self.double("optimizer.rate")?, ..AdamConfig::default() })
            }
        };
        Ok(EngineConfig {
            hypotheses: self.count("hypotheses")?,
            optimizer,
            warm_start: self.truth("warm_start.enabled")?,
            fresh: self.count("warm_start.fresh")?,
            prior_weight: self.double("optimizer.prior_weight")?,
            start_weight: self.double("start.weight")?,
            threads: self.count("threads")?,
            seed,
            ..EngineConfig::default()
        })
    }

    pub(super) fn input(&self) -> Result<InputSettings, ParameterError> {
        Ok(InputSettings {
            joint_timeout: self.duration("input.joint_timeout")?,
            stale_timeout: self.duration("input.stale_timeout")?,
            max_joints: self.count("input.max_joints")?,
            accept_zero_stamp: self.truth("input.accept_zero_stamp")?,
            transport: self.word("input.image_transport")?,
            points: self.word("input.points_type")?,
            is_rectified: self.truth("input.rectified")?,
            cloud_box: self.cloud_box()?,
            images: self.images()?,
            pairing: self.pairing()?,
            robot_description: self.truth("input.robot_description")?,
            people: PeopleConfig { most: self.count("input.people")?, timeout: self.duration("input.person_timeout")? },
        })
    }

    fn images(&self) -> Result<ImageConfig, ParameterError> {
        let tolerance = u8::try_from(self.integer("input.colour_tolerance")?).unwrap_or(u8::MAX);
        // The store refuses what is neither empty nor a colour.
        let rgb = ColourKey::parse(self.text("input.colour_key")?);
        Ok(ImageConfig {
            fit: self.word("input.image_fit")?,
            alpha: self.truth("input.alpha")?,
            key: rgb.map(|rgb| ColourKey { rgb, tolerance }),
            marks: self.word("input.mask_marks")?,
            max_pixels: u64::try_from(self.integer("input.max_pixels")?).unwrap_or(0),
        })
    }

    fn pairing(&self) -> Result<Pairing, ParameterError> {
        Ok(Pairing {
            masks: self.word("input.mask")?,
            slop: self.duration("input.sync_slop")?,
            patience: self.duration("input.stale_timeout")?,
        })
    }

    pub(super) fn output(&self) -> Result<OutputSettings, ParameterError> {
        Ok(OutputSettings {
            rate: self.double("output.rate")?,
            hypotheses: self.truth("output.hypotheses")?,
            order: self.word("output.order")?,
            ghosts: self.truth("output.ghosts")?,
            robot_description: self.truth("output.robot_description")?,
            frame_id: self.text("output.frame_id")?.to_owned(),
            root_frame: self.text("output.root_frame")?.to_owned(),
            people_namespace: self.text("output.people_namespace")?.to_owned(),
        })
    }

    pub(super) fn record(&self) -> Result<RecordSettings, ParameterError> {
        Ok(RecordSettings {
            enabled: self.truth("record.enabled")?,
            steps: self.truth("record.steps")?,
            folder: PathBuf::from(self.text("record.folder")?),
            file_bytes: self.megabytes("record.file_size")?,
            file_duration: self.duration("record.file_duration")?,
            total_bytes: self.megabytes("record.total_size")?,
            queue: self.count("record.queue")?,
        })
    }

    /// Bytes.
    fn megabytes(&self, name: &str) -> Result<u64, ParameterError> {
        Ok(u64::try_from(self.integer(name)?).unwrap_or(0).saturating_mul(MEGABYTE))
    }

    /// Everything below a prefix, the prefix cut.
    pub(super) fn below(&self, prefix: &str) -> Map<String, Value> {
        let cut = |name: &'a str| name.strip_prefix(prefix).zip(self.store.get(name));
        let found = self.store.names().filter_map(cut);
        found.map(|(name, value)| (name.to_owned(), value.to_json())).collect()
    }

    /// `end`: subscription or publisher.
    pub(super) fn qos_overrides(&self, end: &str) -> Result<BTreeMap<String, QosOverride>, ParameterError> {
        let depth = format!(".{end}.depth");
        let topic = |name: &'a str| name.strip_prefix("qos_overrides.")?.strip_suffix(depth.as_str());
        let topics = self.store.names().filter_map(topic);
        topics.map(|topic| Ok((topic.to_owned(), self.qos_override(topic, end)?))).collect()
    }

    fn qos_override(&self, topic: &str, end: &str) -> Result<QosOverride, ParameterError> {
        let name = |policy: &str| format!("qos_overrides.{topic}.{end}.{policy}");
        Ok(QosOverride {
            reliability: self.word(&name("reliability"))?,
            depth: self.count(&name("depth"))?,
            history: self.word(&name("history"))?,
            durability: self.word(&name("durability"))?,
        })
    }
}

/// A word that the store would have refused.
fn refused(name: &str, word: &str, choices: &str) -> ParameterError {
    let (name, choices, value) = (name.to_owned(), choices.to_owned(), word.to_owned());
    ParameterError::Value(ParameterRefusal::Choice { name, choices, value })
}

/// Says which type was expected; as the check of a value does.
fn wrong_kind(name: &str, expected: ParameterKind, got: &ParameterValue) -> ParameterError {
    ParameterError::Value(ParameterRefusal::Kind {
        name: name.to_owned(),
        expected,
        got: got.kind(),
        value: got.to_string(),
        hint: String::new(),
    })
}
