//! A parameter file from events of YAML, with the rules of rcl's own parser.

use std::path::Path;

use saphyr_parser::{Event, Parser, StrInput};
use thalweg_task::{ParameterKind, ParameterValue};

use super::Origin;
use super::address::{Nested, Section, Sections, is_exact};
use super::scalar::typed;
use crate::intake::escaped;
use crate::parameters::error::ParameterError;

/// The key below which parameters stand; rcl takes whatever begins with it.
const PARAMETERS: &str = "ros__parameters";

/// Name of the section that `-p` without a node stands for.
const EVERYBODY: &str = "/**";

/// Reads a file into sections; returns the names of those that it has.
///
/// # Errors
/// [`ParameterError::Yaml`], with the line.
pub(super) fn read(path: &Path, text: &str, sections: &mut Sections) -> Result<Vec<String>, ParameterError> {
    let mut reader = Reader { events: Parser::new_from_str(text), line: 1, names: Vec::new() };
    match reader.documents(sections) {
        Ok(()) => Ok(reader.names),
        Err(what) => Err(ParameterError::Yaml { path: path.to_owned(), line: reader.line, what }),
    }
}

/// Reads `[node:]name:=value`.
///
/// # Errors
/// [`ParameterError::Rule`].
pub(super) fn read_rule(rule: &str, sections: &mut Sections) -> Result<(), ParameterError> {
    let refused = |what: String| ParameterError::Rule { rule: escaped(rule), what };
    let (name, text) = rule.split_once(":=").ok_or_else(|| refused("expected NAME:=VALUE".to_owned()))?;
    let (node, name) = name.split_once(':').unwrap_or((EVERYBODY, name));
    let mut reader = Reader { events: Parser::new_from_str(text), line: 1, names: Vec::new() };
    let value = reader.only_value().map_err(refused)?;
    let section = sections.named(node);
    let place = section.place(name, Origin::Argument);
    if let Some(value) = value {
        section.entries[place].set(value, Origin::Argument);
    }
    Ok(())
}

/// Walks over the events of a text.
struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    /// Line of the present event.
    line: usize,
    /// Sections met, in their order.
    names: Vec<String>,
}

type Outcome<T> = Result<T, String>;

impl<'a> Reader<'a> {
    fn next(&mut self) -> Outcome<Event<'a>> {
        match self.events.next_event() {
            None => Ok(Event::StreamEnd),
            Some(Ok((event, span))) => {
                self.line = span.start.line().max(1);
                Ok(event)
            }
            Some(Err(error)) => {
                self.line = error.marker().line().max(1);
                Err(format!("not valid YAML: {}", error.info()))
            }
        }
    }

    /// A value and nothing else, as on the command line.
    fn only_value(&mut self) -> Outcome<Option<ParameterValue>> {
        let mut value = None;
        loop {
            match self.next()? {
                Event::StreamEnd => return value.ok_or_else(|| "expected a value".to_owned()),
                Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
                event => value = Some(self.value(event)?),
            }
        }
    }

    fn documents(&mut self, sections: &mut Sections) -> Outcome<()> {
        loop {
            match self.next()? {
                Event::StreamEnd => return Ok(()),
                Event::MappingStart(..) => self.nodes(&mut Nested::new('/'), sections)?,
                Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
                _ => return Err("expected names of nodes".to_owned()),
            }
        }
    }

    /// Names of nodes and namespaces, up to the end of their mapping.
    fn nodes(&mut self, above: &mut Nested, sections: &mut Sections) -> Outcome<()> {
        loop {
            let Some(key) = self.key()? else {
                above.pop();
                return Ok(());
            };
            if key.starts_with(PARAMETERS) {
                let name = above.name().ok_or_else(|| format!("no name of a node above {PARAMETERS}"))?.to_owned();
                check_name(&name)?;
                self.section(name, sections)?;
                above.pop();
                // rcl loses its place when anything follows.
                return match self.key()? {
                    None => Ok(()),
                    Some(key) => Err(format!("'{}' beside {PARAMETERS}; expected nothing beside it", escaped(&key))),
                };
            }
            above.push(&key);
            match self.next()? {
                Event::MappingStart(..) => self.nodes(above, sections)?,
                _ => return Err(format!("'{}' has no {PARAMETERS} below it", escaped(&key))),
            }
        }
    }

    fn section(&mut self, name: String, sections: &mut Sections) -> Outcome<()> {
        match self.next()? {
            Event::MappingStart(..) => {}
            _ => return Err(format!("expected parameters below {PARAMETERS}")),
        }
        let origin = if is_exact(&name) { Origin::Own } else { Origin::Shared };
        let section = sections.named(&name);
        if !self.names.contains(&name) {
            self.names.push(name);
        }
        self.parameters(&mut Nested::new('.'), section, origin).map(drop)
    }

    /// Parameters and groups of them, up to the end of their mapping; returns how many there were.
    fn parameters(&mut self, above: &mut Nested, section: &mut Section, origin: Origin) -> Outcome<usize> {
        let mut count = 0;
        while let Some(key) = self.key()? {
            count += 1;
            // Of a group rcl knows the name first, and gives its place to the first parameter in it.
            let place = section.place(above.name().unwrap_or(&key), origin);
            let entry = &mut section.entries[place];
            if let Some(above) = above.name() {
                entry.name = format!("{above}.{key}");
            }
            match self.next()? {
                Event::MappingStart(..) => {
                    above.enter(&entry.name);
                    if self.parameters(above, section, origin)? == 0 {
                        return Err(format!("the group '{}' is empty", escaped(&key)));
                    }
                    above.pop();
                }
                event => {
                    if let Some(value) = self.value(event)? {
                        entry.set(value, origin);
                    }
                }
            }
        }
        Ok(count)
    }

    /// The next key of a mapping; none at its end.
    fn key(&mut self) -> Outcome<Option<String>> {
        match self.next()? {
            Event::MappingEnd => Ok(None),
            Event::Scalar(text, ..) if !text.is_empty() => Ok(Some(text.into_owned())),
            Event::Alias(_) => Err("an alias, which rcl does not take".to_owned()),
            _ => Err("expected a key that is a word".to_owned()),
        }
    }

    /// A scalar, or a list of scalars of one type; none where the list is empty.
    fn value(&mut self, event: Event<'a>) -> Outcome<Option<ParameterValue>> {
        match event {
            Event::SequenceStart(..) => self.list(),
            event => self.scalar(event).map(Some),
        }
    }

    fn scalar(&self, event: Event<'a>) -> Outcome<ParameterValue> {
        match event {
            Event::Scalar(text, style, _, tag) => {
                let value = typed(&text, style, tag.as_deref());
                let is_none =
                    value == ParameterValue::String(String::new()) && style == saphyr_parser::ScalarStyle::Plain;
                if is_none { Err("expected a value".to_owned()) } else { Ok(value) }
            }
            Event::Alias(_) => Err("an alias, which rcl does not take".to_owned()),
            _ => Err("expected a value or a list of values".to_owned()),
        }
    }

    fn list(&mut self) -> Outcome<Option<ParameterValue>> {
        let mut values: Vec<ParameterValue> = Vec::new();
        loop {
            let event = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(joined(values));
            }
            let value = self.scalar(event)?;
            if let Some(first) = values.first().filter(|first| first.kind() != value.kind()) {
                let (first, other) = (first.kind().with_article(), value.kind().with_article());
                return Err(format!("a list of values of several types, {first} and {other}; expected one type"));
            }
            values.push(value);
        }
    }
}

/// A list from values of one type.
fn joined(values: Vec<ParameterValue>) -> Option<ParameterValue> {
    macro_rules! all {
        ($kind:ident) => {
            values
                .into_iter()
                .filter_map(|value| if let ParameterValue::$kind(value) = value { Some(value) } else { None })
        };
    }
    Some(match values.first()?.kind() {
        ParameterKind::Bool => ParameterValue::BoolArray(all!(Bool).collect()),
        ParameterKind::Integer => ParameterValue::IntegerArray(all!(Integer).collect()),
        ParameterKind::Double => ParameterValue::DoubleArray(all!(Double).collect()),
        _ => ParameterValue::StringArray(all!(String).collect()),
    })
}

/// Refuses a name that no node can have: each part is a word, `*` or `**`.
fn check_name(name: &str) -> Outcome<()> {
    let is_word = |part: &str| {
        let mut letters = part.chars();
        letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
            && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    };
    let parts = || name.strip_prefix('/').unwrap_or(name).split('/');
    if parts().all(|part| matches!(part, "*" | "**") || is_word(part)) {
        return Ok(());
    }
    Err(format!("'{}' is no name of a node", escaped(name)))
}
