//! Options of every command that loads a task.

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;
use thalweg_task::{LoadOptions, models_folder};

use crate::failure::InputError;

/// How the task is loaded.
#[derive(Args)]
pub(crate) struct TaskOptions {
    /// Folder of the weights of tasks [default: the shipped ones]
    #[arg(long, value_name = "DIR", default_value_os_t = models_folder(), hide_default_value = true)]
    pub(crate) models: PathBuf,
    /// Parameter of the task; may be repeated. VALUE is JSON; what is not JSON is taken as text
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parse_parameter)]
    parameters: Vec<(String, Value)>,
}

impl TaskOptions {
    /// Collects what the task is loaded with.
    ///
    /// # Errors
    /// [`InputError::ParameterTwice`].
    pub(crate) fn load_options(&self) -> Result<LoadOptions, InputError> {
        let mut options = LoadOptions { models: self.models.clone(), ..LoadOptions::default() };
        for (name, value) in &self.parameters {
            if options.parameters.insert(name.clone(), value.clone()).is_some() {
                return Err(InputError::ParameterTwice(name.clone()));
            }
        }
        Ok(options)
    }
}

fn parse_parameter(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    if name.is_empty() {
        return Err("expected a name before '='".to_owned());
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((name.to_owned(), value))
}
