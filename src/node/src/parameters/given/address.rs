//! Which sections are for which node, and the names that tell.

use thalweg_task::{ParameterKind, ParameterValue};

use super::{Origin, ros_arguments};

/// One parameter of a section.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    /// One value of each type that was given: rcl keeps them side by side.
    values: Vec<ParameterValue>,
    pub(super) origin: Origin,
}

impl Entry {
    /// Takes a value; it takes the place of one of the same type.
    pub(super) fn set(&mut self, value: ParameterValue, origin: Origin) {
        self.values.retain(|known| known.kind() != value.kind());
        self.values.push(value);
        self.origin = origin;
    }

    /// The value that counts: rclcpp takes the first of these types that is there.
    pub(super) fn value(&self) -> Option<&ParameterValue> {
        const ORDER: [ParameterKind; 9] = [
            ParameterKind::Bool,
            ParameterKind::Integer,
            ParameterKind::Double,
            ParameterKind::String,
            ParameterKind::ByteArray,
            ParameterKind::BoolArray,
            ParameterKind::IntegerArray,
            ParameterKind::DoubleArray,
            ParameterKind::StringArray,
        ];
        self.values.iter().min_by_key(|value| ORDER.iter().position(|kind| *kind == value.kind()))
    }
}

/// Parameters below one name.
#[derive(Clone, Debug)]
pub(super) struct Section {
    /// As it is written, parts joined by slashes.
    pub(super) name: String,
    pub(super) entries: Vec<Entry>,
}

impl Section {
    /// The place of a parameter, which is added where it is missing.
    pub(super) fn place(&mut self, name: &str, origin: Origin) -> usize {
        self.entries.iter().position(|entry| entry.name == name).unwrap_or_else(|| {
            self.entries.push(Entry { name: name.to_owned(), values: Vec::new(), origin });
            self.entries.len() - 1
        })
    }
}

/// All sections, each name once, where it came first.
#[derive(Clone, Debug, Default)]
pub(super) struct Sections(Vec<Section>);

impl Sections {
    pub(super) fn all(&self) -> impl Iterator<Item = &Section> {
        self.0.iter()
    }

    /// The section of this name, which is added where it is missing.
    pub(super) fn named(&mut self, name: &str) -> &mut Section {
        let place = self.0.iter().position(|section| section.name == name).unwrap_or_else(|| {
            self.0.push(Section { name: name.to_owned(), entries: Vec::new() });
            self.0.len() - 1
        });
        &mut self.0[place]
    }
}

/// Names inside one another, joined; a name that was joined on is taken off at the last joint, as rcl does it.
#[derive(Clone, Debug)]
pub(super) struct Nested {
    joint: char,
    text: String,
    depth: usize,
}

impl Nested {
    pub(super) fn new(joint: char) -> Self {
        Self { joint, text: String::new(), depth: 0 }
    }

    /// What was joined; none where nothing is left.
    pub(super) fn name(&self) -> Option<&str> {
        (self.depth > 0).then_some(self.text.as_str())
    }

    pub(super) fn push(&mut self, name: &str) {
        if self.depth == 0 {
            self.text.clear();
        } else if !self.text.ends_with(self.joint) {
            self.text.push(self.joint);
        }
        self.text.push_str(name);
        self.depth += 1;
    }

    /// Goes one deeper, to a name that is whole already.
    pub(super) fn enter(&mut self, name: &str) {
        name.clone_into(&mut self.text);
        self.depth += 1;
    }

    pub(super) fn pop(&mut self) {
        if self.depth > 1
            && let Some(last) = self.text.rfind(self.joint)
        {
            self.text.truncate(last);
        }
        self.depth = self.depth.saturating_sub(1);
    }
}

/// Whether a section is for the node of this full name: `*` stands for one part of it, `**` for any number.
pub(super) fn matches(section: &str, node: &str) -> bool {
    let pattern: Vec<&str> = section.strip_prefix('/').unwrap_or(section).split('/').collect();
    let name: Vec<&str> = node.strip_prefix('/').unwrap_or(node).split('/').collect();
    fits(&pattern, &name)
}

fn fits(pattern: &[&str], name: &[&str]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), _) => (0..=name.len()).any(|taken| fits(rest, &name[taken..])),
        (Some((&"*", rest)), Some((_, parts))) => fits(rest, parts),
        (Some((word, rest)), Some((part, parts))) => word == part && fits(rest, parts),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// Whether a section is for one node alone.
pub(super) fn is_exact(section: &str) -> bool {
    !section.contains('*')
}

/// The full name that arguments give a node, before rcl has read them.
///
/// `default`: its name without remapping.
#[must_use]
pub fn full_name(arguments: &[String], default: &str) -> String {
    let remapped = |keys: &[&str]| {
        let rules = ros_arguments(arguments).filter(|(option, _)| matches!(*option, "-r" | "--remap"));
        rules.filter_map(|(_, rule)| rule?.split_once(":=")).find_map(|(from, to)| {
            let (node, key) = from.split_once(':').unwrap_or((default, from));
            (node == default && keys.contains(&key)).then(|| to.to_owned())
        })
    };
    let namespace = remapped(&["__ns"]).unwrap_or_default();
    let name = remapped(&["__node", "__name"]);
    format!("{}/{}", namespace.trim_end_matches('/'), name.as_deref().unwrap_or(default))
}
