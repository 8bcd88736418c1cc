//! Constants of the methods that are tuned: on validation clips, and without compiling anew.

use super::methods::{METHODS, Method};

/// What can be tuned, by name; the first part of the name is the method.
pub(super) const NAMES: [&str; 14] = [
    "default.share",
    "default.delay",
    "default.continuity",
    "default.seen_variance",
    "default.variance",
    "default.spread",
    "default.tolerance",
    "default.reuse",
    "theta_cold.tolerance",
    "velocity.smooth",
    "velocity.decay",
    "kalman.decay",
    "kalman.drive",
    "kalman.noise",
];

/// Values of one constant that are tried.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    name: &'static str,
    values: Vec<f64>,
}

/// A method with some of its constants changed.
#[derive(Clone, Debug)]
pub(super) struct Arm {
    pub(super) method: &'static Method,
    changed: Vec<(&'static str, f64)>,
}

/// Reads `NAME=VALUE,VALUE`.
pub(super) fn trial(text: &str) -> Result<Trial, String> {
    let expected = || format!("expected NAME=VALUE,.., with one of: {}", NAMES.join(", "));
    let (name, values) = text.split_once('=').ok_or_else(expected)?;
    let name = NAMES.into_iter().find(|known| *known == name).ok_or_else(expected)?;
    // The others divide, or are scales.
    let least = if name == "default.reuse" { 0.0 } else { 1e-6 };
    let value = |text: &str| {
        let value = text.parse().ok().filter(|value| (least..=1e6).contains(value));
        value.ok_or_else(|| format!("expected numbers from {least:e} to 1e6"))
    };
    Ok(Trial { name, values: values.split(',').map(value).collect::<Result<_, _>>()? })
}

/// All methods that are wanted; those that something is tried of once for each point of the grid.
pub(super) fn arms(wanted: impl Fn(&str) -> bool, trials: &[Trial]) -> Vec<Arm> {
    METHODS.iter().filter(|method| wanted(method.key)).flat_map(|method| of_method(method, trials)).collect()
}

fn of_method(method: &'static Method, trials: &[Trial]) -> Vec<Arm> {
    let own = trials.iter().filter(|trial| trial.name.split_once('.').is_some_and(|(key, _)| key == method.key));
    own.fold(vec![Arm { method, changed: Vec::new() }], |arms, trial| {
        let with = |arm: &Arm, value: f64| {
            let mut changed = arm.changed.clone();
            changed.push((trial.name, value));
            Arm { method, changed }
        };
        arms.iter().flat_map(|arm| trial.values.iter().map(move |value| with(arm, *value))).collect()
    })
}

impl Arm {
    /// The value of a constant, which is `usual` unless it is changed.
    pub(super) fn value(&self, name: &str, usual: f64) -> f64 {
        self.changed.iter().find(|(changed, _)| *changed == name).map_or(usual, |(_, value)| *value)
    }

    /// The name of the method, and what is changed.
    pub(super) fn name(&self) -> String {
        let changed = self.changed.iter().map(|(name, value)| format!(", {name} {value}"));
        std::iter::once(self.method.name.to_owned()).chain(changed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_has_all_combinations_of_its_own_method() {
        let trials = ["velocity.smooth=0.03,0.05", "velocity.decay=0.1,0.2,0.4", "kalman.noise=0.01"];
        let trials: Vec<Trial> = trials.into_iter().map(|text| trial(text).expect("well formed")).collect();
        let all = arms(|key| key == "velocity" || key == "hold", &trials);
        assert_eq!(all.len(), 1 + 6);
        assert_eq!(all[6].value("velocity.decay", 9.0), 0.4);
        assert_eq!(all[6].value("kalman.noise", 9.0), 9.0);
        assert!(all[6].name().ends_with(", velocity.smooth 0.05, velocity.decay 0.4"), "{}", all[6].name());
        assert!(trial("velocity.x=1").is_err() && trial("kalman.noise=nan").is_err());
    }
}
