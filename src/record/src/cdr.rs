//! CDR, the encoding of ROS 2 messages: plain XCDR1, as Fast DDS and rosbag2 have it.
//!
//! Written by hand because r2r leaves stale bytes in gaps and at the end, and because recordings are read without ROS.

/// Bytes before the message: encoding, and two unused ones.
const HEADER: usize = 4;
/// Encoding of what is written here: plain CDR, little endian.
const LITTLE_ENDIAN: [u8; HEADER] = [0, 1, 0, 0];

/// Writes one message; gaps are zero, and there is nothing after the last field.
#[derive(Debug)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { bytes: LITTLE_ENDIAN.to_vec() }
    }
}

impl Encoder {
    /// Begins a message.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes room for a number of this size: alignment counts from the end of the header.
    fn align(&mut self, size: usize) {
        let body = self.bytes.len() - HEADER;
        self.bytes.resize(HEADER + body.next_multiple_of(size), 0);
    }

    /// A byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// An unsigned number of 32 bits.
    pub fn u32(&mut self, value: u32) {
        self.align(4);
        self.bytes.extend(value.to_le_bytes());
    }

    /// A signed number of 32 bits.
    pub fn i32(&mut self, value: i32) {
        self.align(4);
        self.bytes.extend(value.to_le_bytes());
    }

    /// An unsigned number of 64 bits.
    pub fn u64(&mut self, value: u64) {
        self.align(8);
        self.bytes.extend(value.to_le_bytes());
    }

    /// A length; what does not fit 32 bits cannot be held in memory by any reader.
    pub fn length(&mut self, length: usize) {
        self.u32(u32::try_from(length).unwrap_or(u32::MAX));
    }

    /// A text, ended by a zero that its length counts; zeros within would end it early and are left out.
    pub fn text(&mut self, text: &str) {
        let plain = text.bytes().filter(|byte| *byte != 0);
        self.length(plain.clone().count() + 1);
        self.bytes.extend(plain);
        self.bytes.push(0);
    }

    /// A list of bytes, behind its length.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.bytes.extend(bytes);
    }

    /// A list of single numbers, behind its length.
    pub fn f32s(&mut self, values: &[f32]) {
        self.length(values.len());
        self.bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }

    /// A list of double numbers, behind its length.
    pub fn f64s(&mut self, values: &[f64]) {
        self.length(values.len());
        if !values.is_empty() {
            self.align(8);
        }
        self.bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }

    /// Ends the message.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// How a number stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are what they are called")]
pub enum Number {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

/// Reads one message; gives none where the bytes do not hold what is asked for, and never allocates more than they hold.
#[derive(Debug)]
pub struct Decoder<'a> {
    body: &'a [u8],
    place: usize,
    is_big_endian: bool,
}

impl<'a> Decoder<'a> {
    /// Reads the header: plain CDR of either byte order.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let (header, body) = bytes.split_at_checked(HEADER)?;
        let is_big_endian = match header[..2] {
            [0, 0] => true,
            [0, 1] => false,
            _ => return None,
        };
        Some(Self { body, place: 0, is_big_endian })
    }

    /// Whether all has been read.
    pub fn is_empty(&self) -> bool {
        self.place >= self.body.len()
    }

    /// The bytes that have not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.body.get(self.place..).unwrap_or_default()
    }

    fn take(&mut self, size: usize, count: usize) -> Option<&'a [u8]> {
        let begin = if count == 0 { self.place } else { self.place.next_multiple_of(size) };
        let end = begin.checked_add(size.checked_mul(count)?)?;
        let taken = self.body.get(begin..end)?;
        self.place = end;
        Some(taken)
    }

    fn number<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes: [u8; N] = self.take(N, 1)?.try_into().ok()?;
        if self.is_big_endian {
            bytes.reverse();
        }
        Some(bytes)
    }

    /// `count` numbers of N bytes, each little endian.
    fn numbers<const N: usize>(&mut self, count: usize) -> Option<impl Iterator<Item = [u8; N]> + use<'a, N>> {
        let is_big_endian = self.is_big_endian;
        let taken = self.take(N, count)?;
        Some(taken.as_chunks::<N>().0.iter().map(move |bytes| {
            let mut bytes = *bytes;
            if is_big_endian {
                bytes.reverse();
            }
            bytes
        }))
    }

    /// A byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.number::<1>().map(|[byte]| byte)
    }

    /// An unsigned number of 32 bits.
    pub fn u32(&mut self) -> Option<u32> {
        self.number().map(u32::from_le_bytes)
    }

    /// A signed number of 32 bits.
    pub fn i32(&mut self) -> Option<i32> {
        self.number().map(i32::from_le_bytes)
    }

    /// An unsigned number of 64 bits.
    pub fn u64(&mut self) -> Option<u64> {
        self.number().map(u64::from_le_bytes)
    }

    /// A length.
    pub fn length(&mut self) -> Option<usize> {
        usize::try_from(self.u32()?).ok()
    }

    /// A text; bytes that are no UTF-8 are replaced.
    pub fn text(&mut self) -> Option<String> {
        let length = self.length()?;
        let bytes = self.take(1, length)?;
        let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
        Some(String::from_utf8_lossy(bytes).into_owned())
    }

    /// Texts, as many as their length says, but no more than `most`: each takes more memory than bytes.
    pub fn texts(&mut self, most: u32) -> Option<Vec<String>> {
        let length = self.u32().filter(|length| *length <= most)?;
        (0..length).map(|_| self.text()).collect()
    }

    /// A list of bytes.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.length()?;
        self.take(1, length)
    }

    /// So many numbers of a kind, one behind the other. Those of 64 bits lose what a double does not hold.
    pub fn numbers_of(&mut self, kind: Number, count: usize) -> Option<Vec<f64>> {
        Some(match kind {
            Number::U8 => self.numbers(count)?.map(|[byte]| f64::from(byte)).collect(),
            Number::I8 => self.numbers(count)?.map(|bytes| f64::from(i8::from_le_bytes(bytes))).collect(),
            Number::U16 => self.numbers(count)?.map(|bytes| f64::from(u16::from_le_bytes(bytes))).collect(),
            Number::I16 => self.numbers(count)?.map(|bytes| f64::from(i16::from_le_bytes(bytes))).collect(),
            Number::U32 => self.numbers(count)?.map(|bytes| f64::from(u32::from_le_bytes(bytes))).collect(),
            Number::I32 => self.numbers(count)?.map(|bytes| f64::from(i32::from_le_bytes(bytes))).collect(),
            Number::U64 => self.numbers(count)?.map(|bytes| u64::from_le_bytes(bytes) as f64).collect(),
            Number::I64 => self.numbers(count)?.map(|bytes| i64::from_le_bytes(bytes) as f64).collect(),
            Number::F32 => self.numbers(count)?.map(|bytes| f64::from(f32::from_le_bytes(bytes))).collect(),
            Number::F64 => self.numbers(count)?.map(f64::from_le_bytes).collect(),
        })
    }

    /// A list of single numbers.
    pub fn f32s(&mut self) -> Option<Vec<f32>> {
        let length = self.length()?;
        Some(self.numbers(length)?.map(f32::from_le_bytes).collect())
    }

    /// A list of double numbers.
    pub fn f64s(&mut self) -> Option<Vec<f64>> {
        let length = self.length()?;
        Some(self.numbers(length)?.map(f64::from_le_bytes).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_aligned_and_gaps_are_zero() {
        let mut encoder = Encoder::new();
        encoder.u8(7);
        encoder.u32(1);
        encoder.text("ab");
        encoder.f64s(&[1.0]);
        encoder.f64s(&[]);
        encoder.u8(9);
        let expected: [&[u8]; 8] = [
            &[0, 1, 0, 0],
            &[7, 0, 0, 0],
            &[1, 0, 0, 0],
            &[3, 0, 0, 0, b'a', b'b', 0, 0],
            // The number stands at a multiple of eight.
            &[1, 0, 0, 0, 0, 0, 0, 0],
            &1.0f64.to_le_bytes(),
            &[0, 0, 0, 0],
            &[9],
        ];
        assert_eq!(encoder.finish(), expected.concat());
    }

    #[test]
    fn either_byte_order_is_read() {
        let big =
            [&[0, 0, 0, 0][..], &[0, 0, 0, 1, 0, 0, 0, 0], &2.5f64.to_be_bytes(), &[0, 0, 0, 2, b'a', 0]].concat();
        let mut decoder = Decoder::new(&big).expect("a header");
        assert_eq!(decoder.f64s(), Some(vec![2.5]));
        assert_eq!(decoder.text().as_deref(), Some("a"));
        assert_eq!(decoder.u8(), None, "that was all");
        assert!(Decoder::new(&[0, 9, 0, 0]).is_none() && Decoder::new(&[0]).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(mut decoder) = Decoder::new(&bytes) {
                drop(decoder.texts(9));
                drop(decoder.f64s());
                drop((decoder.u64(), decoder.f32s(), decoder.bytes().map(<[u8]>::len)));
            }
        }
    }
}
