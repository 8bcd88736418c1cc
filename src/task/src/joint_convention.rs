//! Other joints that say the same: a standard's names and angles for what a task calls otherwise.

use std::fmt;

/// How joints of a standard are made of those of a task, and the other way round.
///
/// Functions and no trait, so that a [`crate::TaskSpec`] stays a value.
#[derive(Clone)]
pub struct JointConvention {
    /// Its name, snake_case: part of a topic's.
    pub name: &'static str,
    /// Names of its joints, N, as they are written.
    pub joints: Vec<String>,
    /// The place of a joint by the name that came, which may carry an identity of its own.
    pub place_of: fn(&str) -> Option<usize>,
    /// Positions `[J]` of the task's joints from those `[N]` of the convention, radians or metres; NaN was not seen.
    pub read: fn(&[f64]) -> Vec<f64>,
    /// Positions `[N]` from those `[J]` of the task, all finite; of several that say the same those nearest to `before`,
    /// `[N]`.
    pub write: fn(&[f64], Option<&[f64]>) -> Vec<f64>,
}

impl fmt::Debug for JointConvention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JointConvention")
            .field("name", &self.name)
            .field("joints", &self.joints)
            .finish_non_exhaustive()
    }
}

/// By name and joints: there is one set of functions for each.
impl PartialEq for JointConvention {
    fn eq(&self, other: &Self) -> bool {
        (self.name, &self.joints) == (other.name, &other.joints)
    }
}
