//! The numbers of command lines: unit and range of each, in one table, checked before any arithmetic.
//!
//! As parameters have theirs in `parameters/table.rs` and fields of messages in `intake/bounds.rs`. A program hands its
//! command in and gets it back with every number bounded; tests walk all options of all programs by this table.

mod table;

use clap::Command;
use clap::builder::ValueParser;

use thalweg_task::PRECISION;

pub use table::OPTIONS;

/// The range of one option of one command; both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OptionBound {
    /// Program and subcommands, as they are written: `thalweg train theta`.
    pub command: &'static str,
    /// The option, as clap identifies it: `prior_weight`.
    pub option: &'static str,
    /// Its unit; empty where it has none.
    pub unit: &'static str,
    /// What it takes.
    pub range: OptionRange,
}

/// What an option takes, and the type that it is read as.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OptionRange {
    /// A number.
    Real {
        /// Least value.
        from: f64,
        /// Greatest value.
        to: f64,
    },
    /// Zero, or a number between the ends.
    ZeroOr {
        /// Least value but zero.
        from: f64,
        /// Greatest value.
        to: f64,
    },
    /// A whole number.
    Whole {
        /// The type that it is read as.
        kind: Whole,
        /// Least value.
        from: i64,
        /// Greatest value.
        to: i64,
    },
}

/// A type of whole numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// `u8`
    U8,
    /// `u16`
    U16,
    /// `u32`
    U32,
    /// `u64`
    U64,
    /// `usize`
    Usize,
    /// `i32`
    I32,
    /// `i64`
    I64,
}

impl OptionBound {
    /// Reads a number.
    ///
    /// # Errors
    /// What was expected.
    pub fn real(&self, text: &str) -> Result<f64, String> {
        let holds = |value: &f64| {
            let is_precise = *value == 0.0 || value.abs() >= PRECISION;
            is_precise
                && match self.range {
                    OptionRange::Real { from, to } => (from..=to).contains(value),
                    OptionRange::ZeroOr { from, to } => *value == 0.0 || (from..=to).contains(value),
                    OptionRange::Whole { .. } => false,
                }
        };
        text.parse().ok().filter(holds).ok_or_else(|| self.expected())
    }

    fn whole<T: TryFrom<i64>>(&self, text: &str) -> Result<T, String> {
        let holds = |value: &i64| match self.range {
            OptionRange::Whole { from, to, .. } => (from..=to).contains(value),
            _ => false,
        };
        let value = text.parse().ok().filter(holds).ok_or_else(|| self.expected())?;
        T::try_from(value).map_err(|_overflow| self.expected())
    }

    fn expected(&self) -> String {
        let unit = if self.unit.is_empty() { String::new() } else { format!(" {}", self.unit) };
        match self.range {
            OptionRange::Real { from, to } => {
                format!("expected a number from {from} to {to}{unit}")
            }
            OptionRange::ZeroOr { from, to } => format!("expected 0, or a number from {from} to {to}{unit}"),
            OptionRange::Whole { from, to, .. } => format!("expected a whole number from {from} to {to}{unit}"),
        }
    }

    fn parser(self) -> ValueParser {
        match self.range {
            OptionRange::Real { .. } | OptionRange::ZeroOr { .. } => (move |text: &str| self.real(text)).into(),
            OptionRange::Whole { kind, .. } => match kind {
                Whole::U8 => (move |text: &str| self.whole::<u8>(text)).into(),
                Whole::U16 => (move |text: &str| self.whole::<u16>(text)).into(),
                Whole::U32 => (move |text: &str| self.whole::<u32>(text)).into(),
                Whole::U64 => (move |text: &str| self.whole::<u64>(text)).into(),
                Whole::Usize => (move |text: &str| self.whole::<usize>(text)).into(),
                Whole::I32 => (move |text: &str| self.whole::<i32>(text)).into(),
                Whole::I64 => (move |text: &str| self.whole::<i64>(text)).into(),
            },
        }
    }
}

/// The row of an option.
#[must_use]
pub fn bound_of(command: &str, option: &str) -> Option<&'static OptionBound> {
    OPTIONS.iter().find(|row| (row.command, row.option) == (command, option))
}

/// Bounds the numbers of a program and its subcommands, as the table has them.
#[must_use]
pub fn bounded(program: Command) -> Command {
    let name = program.get_name().to_owned();
    bounded_below(program, &name)
}

fn bounded_below(command: Command, path: &str) -> Command {
    let rows = OPTIONS.iter().filter(|row| row.command == path);
    let command = rows.fold(command, |command, row| command.mut_arg(row.option, |arg| arg.value_parser(row.parser())));
    command.mut_subcommands(|below| {
        let path = format!("{path} {}", below.get_name());
        bounded_below(below, &path)
    })
}
