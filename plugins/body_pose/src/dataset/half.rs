//! Numbers of 16 bits in numpy arrays.

use std::io;

use npyz::{DType, DTypeError, Deserialize, TypeRead};

/// A number that an archive keeps in 16 or 32 bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Half(pub f32);

/// Reads the one or the other.
pub(super) enum HalfReader {
    Short,
    Long(<f32 as Deserialize>::TypeReader),
}

impl Deserialize for Half {
    type TypeReader = HalfReader;

    fn reader(dtype: &DType) -> Result<Self::TypeReader, DTypeError> {
        if dtype.descr().contains("<f2") { Ok(HalfReader::Short) } else { f32::reader(dtype).map(HalfReader::Long) }
    }
}

impl TypeRead for HalfReader {
    type Value = Half;

    fn read_one<R: io::Read>(&self, mut bytes: R) -> io::Result<Half> {
        match self {
            Self::Long(reader) => reader.read_one(bytes).map(Half),
            Self::Short => {
                let mut word = [0; 2];
                bytes.read_exact(&mut word)?;
                Ok(Half(widened(u16::from_le_bytes(word))))
            }
        }
    }
}

/// The number that 16 bits stand for (IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction).
fn widened(bits: u16) -> f32 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of the standard's table: one, the least, the greatest, pi.
    #[test]
    fn known_bits_are_known_numbers() {
        let cases = [(0x3c00, 1.0), (0x0001, 5.960_464_5e-8), (0x7bff, 65504.0), (0xc248, -3.140_625), (0, 0.0)];
        cases.iter().for_each(|&(bits, value)| assert_eq!(widened(bits).to_bits(), f32::to_bits(value), "{bits:x}"));
        assert!(widened(0x7e00).is_nan() && widened(0xfc00) == f32::NEG_INFINITY);
    }
}
