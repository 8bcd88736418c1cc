//! What a user may set: one table drives declaration, refusals, parameter files and documentation.
//!
//! ```text
//! table --> Store::declare(overrides) --> get, set (all or nothing) --> Settings, typed
//!   |
//!   +--> yaml (parameter file), markdown (README)
//! ```
//!
//! Knows nothing of ROS; the node puts its services on a [`Store`].

mod constraints;
mod error;
mod file_check;
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
pub use file_check::{addressed_names, check_file, check_text, own_parameters, parameter_files, read_file};
pub use markdown::markdown;
pub use roots::Roots;
pub use settings::{
    Durability, History, ImageTransport, InputSettings, Method, OutputSettings, QosOverride, RecordSettings,
    Reliability, Settings,
};
pub use store::Store;
pub use table::{full_table, node_table, qos_table, task_table};
pub use word::Word;
pub(crate) use word::words;
pub use yaml::dump;
