//! What a user may set: one table drives declaration, refusals, parameter files and documentation.
//!
//! ```text
//! files, arguments --> given --> Store::declare_given
//! table --> Store::declare(overrides) --> get, set (all or nothing) --> Settings, typed
//!   |
//!   +--> yaml (parameter file), markdown (README)
//! ```
//!
//! Knows nothing of ROS; the node puts its services on a [`Store`].

mod constraints;
mod error;
mod given;
mod markdown;
mod reader;
mod roots;
mod settings;
mod store;
mod table;
mod word;
mod yaml;

pub use constraints::constraints;
pub use error::ParameterError;
pub use given::{Given, GivenValue, Notice, Origin, full_name, given};
pub use markdown::markdown;
pub use roots::Roots;
pub use settings::{
    Durability, History, HypothesisOrder, ImageTransport, InputSettings, Method, OutputSettings, PointsType,
    QosOverride, RecordSettings, Reliability, Settings,
};
pub use store::Store;
pub use table::{PLUGINS, clock_qos_table, full_table, node_table, publisher_qos_table, qos_table, task_table};
pub use word::Word;
pub(crate) use word::words;
pub use yaml::dump;
