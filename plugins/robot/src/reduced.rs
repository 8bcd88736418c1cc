//! A URDF without what is none of our business: shapes, masses, transmissions, plugins of simulators.
//!
//! Files in use have much there that readers of the whole refuse: textures without a file, prefixes without a
//! namespace, inertias without a mass. Links and joints are copied, everything else is passed over.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// What is copied of a joint, with the attributes that it must have.
const PARTS: [&str; 6] = ["origin", "parent", "child", "axis", "limit", "mimic"];
/// What a limit must have, and few people know.
const OF_LIMIT: [&str; 2] = ["effort", "velocity"];

/// Copies links and joints.
///
/// # Errors
/// A sentence where it is no XML, or not of a robot.
pub(crate) fn reduced(text: &str) -> Result<String, String> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = Reader::from_str(text);
    // In the text of elements that are passed over.
    reader.config_mut().allow_dangling_amp = true;
    let (mut copy, mut depth, mut in_joint, mut is_robot) = (String::new(), 0_usize, false, false);
    loop {
        let event =
            reader.read_event().map_err(|error| format!("line {}: {error}", line(text, reader.error_position())))?;
        match event {
            Event::Start(ref start) | Event::Empty(ref start) => {
                let is_empty = matches!(event, Event::Empty(_));
                let name = String::from_utf8_lossy(start.name().into_inner()).into_owned();
                let attributes = || attributes(start, &reader, line(text, reader.buffer_position()));
                match (depth, name.as_str()) {
                    (0, "robot") => {
                        is_robot = true;
                        copy += &format!("<robot{}>", attributes()?);
                    }
                    (0, _) => return Err(format!("begins with <{}>, expected <robot>", shown(&name))),
                    (1, "link") => copy += &format!("<link{}/>", attributes()?),
                    (1, "joint") => {
                        in_joint = !is_empty;
                        copy += &format!("<joint{}{}>", attributes()?, if is_empty { "/" } else { "" });
                    }
                    (2, part) if in_joint && PARTS.contains(&part) => copy += &format!("<{part}{}/>", attributes()?),
                    _ => {}
                }
                depth += usize::from(!is_empty);
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                if depth == 1 && std::mem::take(&mut in_joint) {
                    copy += "</joint>";
                }
            }
            Event::Eof if !is_robot => return Err("expected <robot>, found nothing".to_owned()),
            Event::Eof if depth > 0 => return Err("ends within an element".to_owned()),
            Event::Eof => return Ok(copy + "</robot>"),
            _ => {}
        }
    }
}

/// The attributes of an element, written anew.
fn attributes(start: &BytesStart<'_>, reader: &Reader<&[u8]>, line: usize) -> Result<String, String> {
    let mut written = String::new();
    let mut seen = Vec::new();
    for attribute in start.attributes().with_checks(false) {
        let attribute = attribute.map_err(|error| format!("line {line}: {error}"))?;
        let key = String::from_utf8_lossy(attribute.key.into_inner()).into_owned();
        if key.contains(':') || key == "xmlns" || seen.contains(&key) {
            continue;
        }
        let value = attribute.decoded_and_normalized_value(XmlVersion::Implicit1_0, reader.decoder());
        let value = value.map_err(|error| format!("line {line}: {error}"))?;
        written += &format!(" {key}=\"{}\"", escaped(&value));
        seen.push(key);
    }
    if start.name().into_inner() == b"limit" {
        let missing = OF_LIMIT.iter().filter(|key| !seen.iter().any(|known| known == *key));
        written.extend(missing.map(|key| format!(" {key}=\"0\"")));
    }
    Ok(written)
}

/// Text as an attribute has it.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}

fn line(text: &str, position: u64) -> usize {
    let end = usize::try_from(position).unwrap_or(usize::MAX).min(text.len());
    1 + text.as_bytes()[..end].iter().filter(|byte| **byte == b'\n').count()
}

fn shown(name: &str) -> String {
    name.chars().take(40).flat_map(char::escape_debug).collect()
}
