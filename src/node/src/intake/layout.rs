//! The fields of a point: where x, y and z, or its two coordinates in an image, lie and how they are stored.

use super::bounds::FIELDS;
use super::points::{CloudMessage, Field};
use super::refusal::{Cause, Refusal};
use super::text::escaped;

/// `sensor_msgs/PointField.FLOAT32`.
const FLOAT32: u8 = 7;

/// `sensor_msgs/PointField.FLOAT64`.
const FLOAT64: u8 = 8;

/// Names of the types, by their numbers from 1 on.
const TYPES: [&str; 8] = ["INT8", "UINT8", "INT16", "UINT16", "INT32", "UINT32", "FLOAT32", "FLOAT64"];

/// Bytes of the types, by their numbers; number 0 is no type.
const SIZES: [u64; 9] = [1, 1, 1, 2, 2, 4, 4, 4, 8];

/// Fields that are listed in a refusal.
const LISTED: usize = 12;

/// One coordinate of a point.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    offset: usize,
    is_double: bool,
}

impl Axis {
    /// Reads the coordinate; `point` begins with a whole point. Nothing needs to be aligned (P6).
    pub(super) fn read(self, point: &[u8], is_bigendian: bool) -> f64 {
        let bytes = &point[self.offset..];
        if self.is_double {
            let eight = std::array::from_fn(|byte| bytes[byte]);
            return if is_bigendian { f64::from_be_bytes(eight) } else { f64::from_le_bytes(eight) };
        }
        let four = std::array::from_fn(|byte| bytes[byte]);
        f64::from(if is_bigendian { f32::from_be_bytes(four) } else { f32::from_le_bytes(four) })
    }

    fn bytes(self) -> usize {
        if self.is_double { 8 } else { 4 }
    }
}

/// One number of a point, of any type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scalar {
    offset: usize,
    datatype: u8,
}

impl Scalar {
    /// Reads the number; `point` begins with a whole point.
    pub(super) fn read(self, point: &[u8], is_bigendian: bool) -> f64 {
        let mut bytes = [0; 8];
        let size = SIZES.get(usize::from(self.datatype)).map_or(1, |size| *size as usize);
        bytes[..size].copy_from_slice(&point[self.offset..self.offset + size]);
        if is_bigendian {
            bytes[..size].reverse();
        }
        let [a, b, c, d, ..] = bytes;
        match self.datatype {
            1 => f64::from(i8::from_le_bytes([a])),
            3 => f64::from(i16::from_le_bytes([a, b])),
            4 => f64::from(u16::from_le_bytes([a, b])),
            5 => f64::from(i32::from_le_bytes([a, b, c, d])),
            6 => f64::from(u32::from_le_bytes([a, b, c, d])),
            FLOAT32 => f64::from(f32::from_le_bytes([a, b, c, d])),
            FLOAT64 => f64::from_le_bytes(bytes),
            _ => f64::from(a),
        }
    }
}

/// Finds a field of one number beside the coordinates; none where there is none of that name. To be called behind
/// [`find_axes`], which checks where fields lie.
pub(super) fn find_scalar(message: &CloudMessage<'_>, name: &str) -> Result<Option<Scalar>, Refusal> {
    let Some(field) = message.fields.iter().find(|field| field.name == name) else { return Ok(None) };
    if (1..=8).contains(&field.datatype) && field.count <= 1 {
        return Ok(Some(Scalar { offset: field.offset as usize, datatype: field.datatype }));
    }
    let (kind, count, name) = (type_name(field.datatype), field.count, escaped(name));
    Err(Refusal::new(Cause::BadLayout, format!("got field {name} of {count} x {kind}; expected one number")))
}

/// Finds x, y and z among the fields (P2, P3, P4).
pub(super) fn find_axes(message: &CloudMessage<'_>) -> Result<[Axis; 3], Refusal> {
    find_named(message, ["x", "y", "z"])
}

/// Finds u and v among the fields, or x and y where there is no u.
pub(super) fn find_pixel_axes(message: &CloudMessage<'_>) -> Result<[Axis; 2], Refusal> {
    let has_u = message.fields.iter().any(|field| field.name == "u");
    find_named(message, if has_u { ["u", "v"] } else { ["x", "y"] })
}

fn find_named<const N: usize>(message: &CloudMessage<'_>, names: [&str; N]) -> Result<[Axis; N], Refusal> {
    let count = message.fields.len();
    if count as f64 > FIELDS.greatest {
        let text = format!("got {count} fields of a point; expected at most {}", FIELDS.greatest);
        return Err(Refusal::new(Cause::BadLayout, text));
    }
    let mut axes = [Axis { offset: 0, is_double: false }; N];
    for (axis, name) in axes.iter_mut().zip(names) {
        *axis = find(message, name, &names)?;
    }
    for field in message.fields {
        check_field(message, field, (&axes, &names))?;
    }
    Ok(axes)
}

/// Checks that a field lies within the point and beside the coordinates; of an unknown type, its
/// first byte.
fn check_field(
    message: &CloudMessage<'_>,
    field: &Field<'_>,
    (axes, names): (&[Axis], &[&str]),
) -> Result<(), Refusal> {
    let (name, start, step) = (escaped(field.name), u64::from(field.offset), message.point_step);
    let size = SIZES.get(usize::from(field.datatype)).copied().unwrap_or(1);
    let end = start + size * u64::from(field.count.max(1));
    let refuse = |text: String| Err(Refusal::new(Cause::BadLayout, text));
    if end > u64::from(step) {
        return refuse(format!("got field '{name}' up to byte {end} of a point; expected within point_step {step}"));
    }
    for (axis, axis_name) in axes.iter().zip(names) {
        let (low, high) = (axis.offset as u64, (axis.offset + axis.bytes()) as u64);
        if field.name != *axis_name && start < high && low < end {
            return refuse(format!(
                "got fields '{name}' and '{axis_name}' that overlap at offset {start}; expected none"
            ));
        }
    }
    Ok(())
}

fn find(message: &CloudMessage<'_>, name: &str, names: &[&str]) -> Result<Axis, Refusal> {
    let mut named = message.fields.iter().filter(|field| field.name == name);
    let (Some(field), again) = (named.next(), named.next()) else {
        let expected = if names.len() == 3 { "x, y and z" } else { "x and y, or u and v" };
        let text = format!("got fields {}; expected {expected}", list(message.fields));
        return Err(Refusal::new(Cause::MissingField, text));
    };
    let refuse = |text: String| Err(Refusal::new(Cause::BadLayout, text));
    if again.is_some() {
        return refuse(format!("got field {name} twice; expected once"));
    }
    if ![FLOAT32, FLOAT64].contains(&field.datatype) || field.count != 1 {
        let (kind, count) = (type_name(field.datatype), field.count);
        return refuse(format!("got field {name} of {count} x {kind}; expected 1 x FLOAT32 or FLOAT64"));
    }
    Ok(Axis { offset: field.offset as usize, is_double: field.datatype == FLOAT64 })
}

fn type_name(datatype: u8) -> String {
    let known = usize::from(datatype).checked_sub(1).and_then(|place| TYPES.get(place));
    known.map_or_else(|| format!("unknown type {datatype}"), ToString::to_string)
}

fn list(fields: &[Field<'_>]) -> String {
    let mut names: Vec<_> = fields.iter().take(LISTED).map(|field| format!("'{}'", escaped(field.name))).collect();
    if fields.len() > LISTED {
        names.push(format!("and {} more", fields.len() - LISTED));
    }
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
