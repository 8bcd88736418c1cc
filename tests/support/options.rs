//! Walks the options of a program that are numbers: each has a row in the table, and is held to it.

use std::any::TypeId;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Arg, Command};
use thalweg_node::options::{OPTIONS, OptionRange};

/// Texts that no number is.
const ODD: [&str; 21] = [
    "",
    "NaN",
    "inf",
    "-inf",
    "infinity",
    "1e308",
    "1e300",
    "-1e300",
    "1e-300",
    "5e-324",
    "2.2e-308",
    "1e19",
    "-1",
    "0x10",
    "1_000",
    "1;5",
    "٣",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "1e-39",
];

/// Whether an option is read as a number.
fn is_number(argument: &Arg) -> bool {
    let kind = argument.get_value_parser().type_id();
    let kinds = [
        TypeId::of::<f32>(),
        TypeId::of::<f64>(),
        TypeId::of::<Duration>(),
        TypeId::of::<u8>(),
        TypeId::of::<u16>(),
        TypeId::of::<u32>(),
        TypeId::of::<u64>(),
        TypeId::of::<usize>(),
        TypeId::of::<i8>(),
        TypeId::of::<i16>(),
        TypeId::of::<i32>(),
        TypeId::of::<i64>(),
    ];
    kinds.iter().any(|number| kind == *number)
}

/// The options of a command and those below it that are numbers: command, and option as clap identifies it.
fn numbers(command: &Command, path: &str, found: &mut Vec<(String, String)>) {
    let options = command.get_arguments().filter(|argument| is_number(argument));
    found.extend(options.map(|argument| (path.to_owned(), argument.get_id().to_string())));
    for below in command.get_subcommands() {
        numbers(below, &format!("{path} {}", below.get_name()), found);
    }
}

/// Whether a program takes a text for an option; what else it misses does not matter.
fn takes(program: &Command, path: &str, option: &str, text: &str) -> bool {
    let option = format!("--{}={text}", option.replace('_', "-"));
    let line = path.split_whitespace().chain([option.as_str()]);
    match program.clone().try_get_matches_from(line) {
        Ok(_) => true,
        Err(error) => match error.kind() {
            ErrorKind::ValueValidation | ErrorKind::InvalidValue => false,
            ErrorKind::MissingRequiredArgument => true,
            other => panic!("{option} of {path}: {other:?}: {error}"),
        },
    }
}

/// The ends of a range, and what lies just beside them.
fn near(range: &OptionRange) -> Vec<String> {
    let beside = |ends: &[f64]| -> Vec<String> {
        ends.iter().flat_map(|end| [*end, end.next_up(), end.next_down()]).map(|end| format!("{end:e}")).collect()
    };
    match *range {
        OptionRange::Whole { from, to, .. } => {
            [from, to].into_iter().flat_map(|end| [end, end + 1, end - 1]).map(|end| end.to_string()).collect()
        }
        OptionRange::Real { from, to } => beside(&[from, to]),
        OptionRange::ZeroOr { from, to } => beside(&[0.0, from, to]),
    }
}

/// Whether a text is to be taken: told here a second time, from the range alone.
fn fits(range: &OptionRange, text: &str) -> bool {
    let number = |fits: &dyn Fn(f64) -> bool| text.parse().is_ok_and(fits);
    match *range {
        OptionRange::Whole { from, to, .. } => text.parse().is_ok_and(|value: i64| (from..=to).contains(&value)),
        OptionRange::Real { from, to } => number(&|value| from <= value && value <= to),
        OptionRange::ZeroOr { from, to } => number(&|value| value == 0.0 || (from <= value && value <= to)),
    }
}

/// Fails unless every number of a program has a row, every row an option, and every option keeps its row.
pub fn assert_bounded(program: &Command) {
    let name = program.get_name();
    let mut found = Vec::new();
    numbers(program, name, &mut found);
    let is_below = |command: &str| command == name || command.starts_with(&format!("{name} "));
    let rows: Vec<_> = OPTIONS.iter().filter(|row| is_below(row.command)).collect();
    let mut listed: Vec<_> = rows.iter().map(|row| (row.command.to_owned(), row.option.to_owned())).collect();
    found.sort();
    listed.sort();
    assert_eq!(found, listed, "left: options that are numbers, right: rows of the table");
    for row in rows {
        let near = near(&row.range);
        let texts = near.iter().map(String::as_str).chain(ODD);
        let mut walked = [0, 0];
        for text in texts {
            let (got, expected) = (takes(program, row.command, row.option, text), fits(&row.range, text));
            assert_eq!(got, expected, "{} --{} {text}", row.command, row.option);
            walked[usize::from(got)] += 1;
        }
        assert!(walked.iter().all(|count| *count > 0), "{} --{}: {walked:?}", row.command, row.option);
    }
}
