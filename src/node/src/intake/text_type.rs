//! Messages by the texts of their types: what no generated code knows, walked field by field.
//!
//! A type is what a `.msg` file says: fields in order, of numbers, texts, and other types, one, a fixed number, or as many as
//! the message says. Nothing is believed of the bytes: whatever they say, memory stays below a small multiple of their number.

use std::collections::BTreeMap;

use thalweg_record::cdr::{Decoder, Number};

/// Deepest nesting of types: far above what any message has.
const DEEPEST: usize = 16;

/// A field as its type says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    name: String,
    kind: Kind,
    count: Count,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Number(Number),
    Text,
    /// Another type, by its name with the package.
    Message(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Count {
    One,
    Fixed(usize),
    /// As the message says.
    Said,
}

/// What stands in a field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    /// One number, or several.
    Numbers(Vec<f64>),
    Text(String),
    /// The fields of a message.
    Fields(BTreeMap<String, Part>),
    /// Several texts or messages.
    Parts(Vec<Part>),
}

impl Part {
    /// A field of a message; none where there is none of that name.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        if let Self::Fields(fields) = self { fields.get(name) } else { None }
    }

    /// The numbers of a field.
    pub(super) fn numbers(&self, name: &str) -> Option<&[f64]> {
        if let Self::Numbers(numbers) = self.get(name)? { Some(numbers) } else { None }
    }

    /// The first number of a field.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.numbers(name)?.first().copied()
    }

    /// The text of a field.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        if let Self::Text(text) = self.get(name)? { Some(text) } else { None }
    }

    /// The texts or messages of a field.
    pub(super) fn parts(&self, name: &str) -> Option<&[Self]> {
        if let Self::Parts(parts) = self.get(name)? { Some(parts) } else { None }
    }
}

/// Types that are made of each other.
#[derive(Clone, Debug)]
pub(super) struct Types(BTreeMap<String, Vec<Member>>);

/// What every package uses, by its text.
const COMMON: [(&str, &str); 3] = [
    ("builtin_interfaces/Time", "int32 sec\nuint32 nanosec"),
    ("builtin_interfaces/Duration", "int32 sec\nuint32 nanosec"),
    ("std_msgs/Header", "builtin_interfaces/Time stamp\nstring frame_id"),
];

impl Types {
    /// Reads types from their texts, each under its name with the package; none where a text is none, or one of them is of
    /// a type that is not among them.
    pub(super) fn of(texts: &[(&str, &str)]) -> Option<Self> {
        let all = COMMON.iter().chain(texts);
        let types = all.map(|(name, text)| Some(((*name).to_owned(), members(name, text)?)));
        let types = Self(types.collect::<Option<_>>()?);
        let is_known = |member: &Member| !matches!(&member.kind, Kind::Message(name) if !types.0.contains_key(name));
        types.0.values().flatten().all(is_known).then_some(types)
    }

    /// The same without a field of one of them, as an earlier version of it had.
    pub(super) fn without(mut self, name: &str, field: &str) -> Self {
        if let Some(members) = self.0.get_mut(name) {
            members.retain(|member| member.name != field);
        }
        self
    }

    /// Reads a serialized message of a type; none where the bytes are none, or where any are left.
    pub(super) fn read(&self, name: &str, bytes: &[u8]) -> Option<Part> {
        let mut decoder = Decoder::new(bytes)?;
        let message = self.message(name, &mut decoder, 0)?;
        // The middleware fills up to a multiple of four.
        let rest = decoder.rest();
        (rest.len() < 4 && rest.iter().all(|byte| *byte == 0)).then_some(message)
    }

    fn message(&self, name: &str, decoder: &mut Decoder<'_>, depth: usize) -> Option<Part> {
        let members = self.0.get(name).filter(|_| depth < DEEPEST)?;
        let part = |member: &Member| Some((member.name.clone(), self.part(member, decoder, depth)?));
        Some(Part::Fields(members.iter().map(part).collect::<Option<_>>()?))
    }

    fn part(&self, member: &Member, decoder: &mut Decoder<'_>, depth: usize) -> Option<Part> {
        let count = match member.count {
            Count::One => None,
            Count::Fixed(count) => Some(count),
            // Nothing is shorter than a byte on the wire.
            Count::Said => Some(decoder.length().filter(|count| *count <= decoder.rest().len())?),
        };
        let mut one = || match &member.kind {
            Kind::Number(kind) => decoder.numbers_of(*kind, count.unwrap_or(1)).map(Part::Numbers),
            Kind::Text => decoder.text().map(Part::Text),
            Kind::Message(name) => self.message(name, decoder, depth + 1),
        };
        match (&member.kind, count) {
            (Kind::Text | Kind::Message(_), Some(count)) => {
                (0..count).map(|_| one()).collect::<Option<_>>().map(Part::Parts)
            }
            _ => one(),
        }
    }
}

/// The fields of a text; names of types without a package are of the same one.
fn members(name: &str, text: &str) -> Option<Vec<Member>> {
    let package = name.split_once('/')?.0;
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty() && !is_constant(line)).map(|line| member(package, line)).collect()
}

/// Whether a line gives a value to a name, which stands nowhere on the wire; bounds have an equals sign, too.
fn is_constant(line: &str) -> bool {
    let mut words = line.split_whitespace().skip(1);
    words.next().is_some_and(|name| name.contains('=')) || words.next().is_some_and(|word| word.starts_with('='))
}

fn member(package: &str, line: &str) -> Option<Member> {
    let mut words = line.split_whitespace();
    let (kind, name) = (words.next()?, words.next()?);
    let (kind, count) = match kind.split_once('[') {
        None => (kind, Count::One),
        Some((kind, count)) => match count.strip_suffix(']')? {
            "" => (kind, Count::Said),
            bound if bound.starts_with("<=") => (kind, Count::Said),
            count => (kind, Count::Fixed(count.parse().ok()?)),
        },
    };
    // A text may have a greatest length, which says nothing of the wire.
    let kind = match kind.split("<=").next()? {
        "bool" | "byte" | "uint8" | "char" => Kind::Number(Number::U8),
        "int8" => Kind::Number(Number::I8),
        "uint16" => Kind::Number(Number::U16),
        "int16" => Kind::Number(Number::I16),
        "uint32" => Kind::Number(Number::U32),
        "int32" => Kind::Number(Number::I32),
        "uint64" => Kind::Number(Number::U64),
        "int64" => Kind::Number(Number::I64),
        "float32" => Kind::Number(Number::F32),
        "float64" => Kind::Number(Number::F64),
        "string" => Kind::Text,
        // Not read: nothing of a robot sends it.
        "wstring" => return None,
        other if other.contains('/') => Kind::Message(other.replace("/msg/", "/")),
        other => Kind::Message(format!("{package}/{other}")),
    };
    Some(Member { name: name.to_owned(), kind, count })
}

#[cfg(test)]
mod tests {
    use thalweg_record::cdr::Encoder;

    use super::*;

    const POINT: (&str, &str) = ("own/Point", "# Where.\nuint8 KIND=3\nfloat32[2] at # metres\nint16 sign 5\n");
    const LINE: (&str, &str) = ("own/Line", "std_msgs/Header header\nPoint[] points\nstring<=9[<=4] names\nbool done");

    fn line() -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder.u32(7);
        encoder.u32(8);
        encoder.text("map");
        encoder.u32(2);
        for (x, sign) in [(1.5_f32, -2_i16), (2.5, 3)] {
            for value in [x, -x] {
                encoder.u32(value.to_bits());
            }
            sign.to_le_bytes().into_iter().for_each(|byte| encoder.u8(byte));
        }
        encoder.u32(1);
        encoder.text("end");
        encoder.u8(1);
        encoder.finish()
    }

    #[test]
    fn a_message_is_read_by_its_text() {
        let types = Types::of(&[POINT, LINE]).expect("texts");
        let read = types.read("own/Line", &line()).expect("a line");
        let header = read.get("header").expect("a header");
        assert_eq!(
            (header.text("frame_id"), header.get("stamp").and_then(|stamp| stamp.number("nanosec"))),
            (Some("map"), Some(8.0))
        );
        let points = read.parts("points").expect("points");
        assert_eq!(
            (points.len(), points[1].numbers("at"), points[0].number("sign")),
            (2, Some(&[2.5, -2.5][..]), Some(-2.0))
        );
        assert_eq!(read.parts("names"), Some(&[Part::Text("end".to_owned())][..]));
        assert_eq!(read.number("done"), Some(1.0));
        assert_eq!((read.text("points"), read.number("nothing")), (None, None));
    }

    #[test]
    fn bytes_that_are_no_such_message_are_none() {
        let types = Types::of(&[POINT, LINE]).expect("texts");
        let bytes = line();
        for length in 0..bytes.len() {
            assert_eq!(types.read("own/Line", &bytes[..length]), None, "cut at {length}");
        }
        assert_eq!(types.read("own/Line", &[bytes.clone(), vec![0; 4]].concat()), None, "too long");
        assert_eq!(types.read("own/Line", &[bytes.clone(), vec![1]].concat()), None, "no filling");
        assert_eq!(types.read("own/Plane", &bytes), None);
        let earlier = types.without("own/Line", "done");
        assert_eq!(earlier.read("own/Line", &bytes), None, "a byte is left, which is not zero");
        let mut many = bytes;
        many[20..24].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(earlier.read("own/Line", &many), None, "four billion points");
    }

    #[test]
    fn texts_that_are_none_are_none() {
        for text in ["float32", "float32[2 at", "Nothing at", "wstring name", "float32[x] at"] {
            assert!(Types::of(&[("own/Bad", text)]).is_none(), "{text}");
        }
        let circle = Types::of(&[("own/Ring", "Ring next")]).expect("it is a text");
        assert_eq!(circle.read("own/Ring", &[0, 1, 0, 0]), None, "it has no end");
    }
}
