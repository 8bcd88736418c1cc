//! The values of all parameters, and what may become of them.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};
use thalweg_task::{Change, ParameterSpec, ParameterValue, edit_distance};

use super::error::ParameterError;
use super::given::{GivenValue, Origin};
use super::roots::Roots;
use crate::intake::{ColourKey, escaped};

/// All parameters with their values; every value always lies within its range.
#[derive(Clone, Debug)]
pub struct Store {
    /// By name.
    declared: BTreeMap<String, Declared>,
    /// Where paths may lead from now on; none while they may lead anywhere.
    roots: Option<Roots>,
    refusals: u64,
    changes: u64,
}

#[derive(Clone, Debug)]
struct Declared {
    spec: ParameterSpec,
    value: ParameterValue,
}

impl Store {
    /// Declares parameters; `overrides` take the place of defaults, the last of each name counts.
    ///
    /// # Errors
    /// [`ParameterError`] about the first override that is unknown, of a wrong type or outside
    /// its range, or about values that contradict each other.
    pub fn declare(specs: Vec<ParameterSpec>, overrides: &[(String, ParameterValue)]) -> Result<Self, ParameterError> {
        let defaults = specs.into_iter().map(|spec| {
            let value = spec.default.clone();
            (spec.name.to_string(), Declared { spec, value })
        });
        let mut store = Self { declared: defaults.collect(), roots: None, refusals: 0, changes: 0 };
        let staged = store.stage(overrides, |_| Ok(()))?;
        store.apply(&staged);
        Ok(store)
    }

    /// Declares parameters as [`Store::declare`] does, with what files and arguments give, perhaps to several nodes.
    ///
    /// An unknown name is passed over and returned, with the nearest known one, where it stands below wildcards, or is
    /// an argument that resembles no known name: files and launch files give parameters to all nodes at once.
    ///
    /// # Errors
    /// As [`Store::declare`].
    pub fn declare_given(
        specs: Vec<ParameterSpec>,
        given: &[GivenValue],
    ) -> Result<(Self, Vec<ParameterError>), ParameterError> {
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for GivenValue { name, value, origin } in given {
            let is_known = specs.iter().any(|spec| spec.name == name.as_str());
            let is_passed_over = match origin {
                Origin::Own => false,
                Origin::Shared => !is_known,
                Origin::Argument => !specs.iter().any(|spec| resembles(name, &spec.name)),
            };
            if is_passed_over {
                others.push(ParameterError::unknown(name, specs.iter().map(|spec| spec.name.as_ref())));
            } else {
                own.push((name.clone(), value.clone()));
            }
        }
        Ok((Self::declare(specs, &own)?, others))
    }

    /// Confines paths that are set from now on to the roots that the parameters give.
    ///
    /// `recordings`: where recordings go when nothing says otherwise.
    ///
    /// # Errors
    /// [`ParameterError::Outside`] about a path that does not lie in its root already.
    pub fn confine(&mut self, recordings: &Path) -> Result<(), ParameterError> {
        self.roots = Some(Roots::of(|name| self.get(name), recordings)?);
        Ok(())
    }

    /// Where paths may lead; none in a store that was not confined.
    #[must_use]
    pub fn roots(&self) -> Option<&Roots> {
        self.roots.as_ref()
    }

    /// The value of a parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&ParameterValue> {
        self.declared.get(name).map(|declared| &declared.value)
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.declared.keys().map(String::as_str)
    }

    /// All values, as a recording keeps them.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let values = self.declared.iter().map(|(name, declared)| (name.clone(), declared.value.to_json()));
        Value::Object(values.collect())
    }

    /// Declares parameters with the values that [`Store::to_json`] gave.
    ///
    /// Names that are no longer declared are passed over and returned.
    ///
    /// # Errors
    /// As [`Store::declare`].
    pub fn from_json(
        specs: Vec<ParameterSpec>,
        values: &Map<String, Value>,
    ) -> Result<(Self, Vec<String>), ParameterError> {
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for (name, value) in values {
            let spec = specs.iter().find(|spec| spec.name == name.as_str());
            match spec.and_then(|spec| ParameterValue::from_json(spec.kind(), value)) {
                Some(value) => known.push((name.clone(), value)),
                None => unknown.push(name.clone()),
            }
        }
        Ok((Self::declare(specs, &known)?, unknown))
    }

    /// What a parameter is.
    #[must_use]
    pub fn describe(&self, name: &str) -> Option<&ParameterSpec> {
        self.declared.get(name).map(|declared| &declared.spec)
    }

    /// How many requests were refused.
    #[must_use]
    pub fn refusals(&self) -> u64 {
        self.refusals
    }

    /// How many values were changed.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Counts a request that was refused before it came here: one that holds no values.
    pub fn count_refusal(&mut self) {
        self.refusals = self.refusals.saturating_add(1);
    }

    /// Changes all of these or none; the last of each name counts.
    ///
    /// Returns what has another value now.
    ///
    /// # Errors
    /// As [`Store::declare`], and when a parameter cannot be changed now. Nothing is changed then.
    pub fn set(
        &mut self,
        changes: &[(String, ParameterValue)],
        is_unconfigured: bool,
    ) -> Result<Vec<(String, ParameterValue)>, ParameterError> {
        let allowed = |spec: &ParameterSpec| may_change(spec, is_unconfigured);
        let staged = self.stage(changes, allowed).inspect_err(|_| self.refusals = self.refusals.saturating_add(1))?;
        self.apply(&staged);
        self.changes = self.changes.saturating_add(staged.len() as u64);
        Ok(staged.into_iter().collect())
    }

    /// Checks changes, one by one and together; returns those that give another value.
    fn stage(
        &self,
        changes: &[(String, ParameterValue)],
        allowed: impl Fn(&ParameterSpec) -> Result<(), ParameterError>,
    ) -> Result<BTreeMap<String, ParameterValue>, ParameterError> {
        let mut staged = BTreeMap::new();
        for (name, value) in changes {
            let declared = self.declared.get(name).ok_or_else(|| ParameterError::unknown(name, self.names()))?;
            declared.spec.check(value)?;
            // What stays as it is may be said again, as `ros2 param load` of a dump does.
            if declared.value != *value {
                allowed(&declared.spec)?;
            }
            if let Some(roots) = &self.roots {
                roots.check(name, value)?;
            }
            staged.insert(name.clone(), value.clone());
        }
        check_together(|name| staged.get(name).or_else(|| self.get(name)))?;
        staged.retain(|name, value| self.get(name) != Some(value));
        Ok(staged)
    }

    fn apply(&mut self, staged: &BTreeMap<String, ParameterValue>) {
        for (name, value) in staged {
            if let Some(declared) = self.declared.get_mut(name) {
                declared.value = value.clone();
            }
        }
    }
}

/// Whether a name can be meant for a known one: it is that, lies in its group, or is a slip or two away.
fn resembles(name: &str, known: &str) -> bool {
    let group = |name: &str| name.split_once('.').map(|(group, _)| group.to_owned());
    name == known || (group(name).is_some() && group(name) == group(known)) || edit_distance(name, known) <= SLIPS
}

/// Edits between two words of which one may be meant for the other. A guess.
const SLIPS: usize = 2;

fn may_change(spec: &ParameterSpec, is_unconfigured: bool) -> Result<(), ParameterError> {
    match spec.change {
        Change::ReadOnly => Err(ParameterError::ReadOnly { name: spec.name.to_string() }),
        Change::Unconfigured if !is_unconfigured => {
            Err(ParameterError::OnlyUnconfigured { name: spec.name.to_string() })
        }
        Change::Unconfigured | Change::AnyTime => Ok(()),
    }
}

/// Whether topics can lie below this: slashes between words of letters, digits and underscores, no digit first.
fn is_namespace(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_word = |word: &str| word.bytes().all(is_plain) && word.starts_with(|c: char| !c.is_ascii_digit());
    text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_word))
}

/// Refuses values that contradict each other.
fn check_together<'a>(get: impl Fn(&str) -> Option<&'a ParameterValue>) -> Result<(), ParameterError> {
    if let Some(ParameterValue::String(colour)) = get("input.colour_key")
        && !colour.is_empty()
        && ColourKey::parse(colour).is_none()
    {
        return Err(ParameterError::Colour { name: "input.colour_key", got: escaped(colour) });
    }
    if let Some(ParameterValue::String(namespace)) = get("output.people_namespace")
        && !is_namespace(namespace)
    {
        return Err(ParameterError::Namespace { name: "output.people_namespace", got: escaped(namespace) });
    }
    match (get("hypotheses"), get("warm_start.fresh")) {
        (Some(&ParameterValue::Integer(hypotheses)), Some(&ParameterValue::Integer(fresh))) if fresh >= hypotheses => {
            Err(ParameterError::Fresh { hypotheses, fresh })
        }
        _ => Ok(()),
    }
}
