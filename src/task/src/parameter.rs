//! What a user may set: one parameter, described as data.

mod spec;
mod value;

pub use spec::{Change, PRECISION, ParameterRange, ParameterRefusal, ParameterSpec};
pub use value::{ParameterKind, ParameterValue};
