//! Pixels as bytes: which size they claim, and whether they are all there.

use std::borrow::Cow;

use super::encoding::Encoding;
use super::image::ImageMessage;
use super::refusal::{Cause, Refusal};
use super::text::escaped;

/// An image of which all bytes are there.
#[derive(Clone, Debug)]
pub(super) struct Raster<'a> {
    pub(super) height: usize,
    pub(super) width: usize,
    /// Bytes from one row to the next.
    pub(super) step: usize,
    pub(super) encoding: Encoding,
    pub(super) is_bigendian: bool,
    pub(super) data: Cow<'a, [u8]>,
}

impl<'a> Raster<'a> {
    /// Checks that the bytes are those of an image of this size (I1, I2, I3, I4, I5).
    ///
    /// # Errors
    /// [`Cause::UnknownEncoding`], [`Cause::EmptyImage`], [`Cause::BadStep`] or [`Cause::BadSize`].
    pub(super) fn of(message: &ImageMessage<'a>) -> Result<Self, Refusal> {
        let encoding = Encoding::find(message.encoding).ok_or_else(|| {
            let text = format!("got encoding '{}'; expected one of {}", escaped(message.encoding), Encoding::names());
            Refusal::new(Cause::UnknownEncoding, text)
        })?;
        let (name, bytes) = (encoding.name, encoding.bytes());
        let &ImageMessage { height, width, step, data, .. } = message;
        if height == 0 || width == 0 {
            let text = format!("got an image of {width} x {height} pixels; expected at least one");
            return Err(Refusal::new(Cause::EmptyImage, text));
        }
        let row = u128::from(width) * bytes as u128;
        if u128::from(step) < row {
            let text = format!("got step {step} < width {width} x {bytes} B ({name}); expected at least {row}");
            return Err(Refusal::new(Cause::BadStep, text));
        }
        let whole = u128::from(step) * u128::from(height);
        let least = whole - u128::from(step) + row;
        let got = data.len() as u128;
        if got != whole && got != least {
            let text = format!("got {got} B of data; expected step {step} x height {height} = {whole} B");
            return Err(Refusal::new(Cause::BadSize, text));
        }
        let (height, width, step) = (height as usize, width as usize, step as usize);
        Ok(Self { height, width, step, encoding, is_bigendian: message.is_bigendian != 0, data: Cow::Borrowed(data) })
    }

    /// Bytes of a row, without what pads it, from pixel `from` on.
    pub(super) fn row(&self, row: usize, from: usize, pixels: usize) -> &[u8] {
        let bytes = self.encoding.bytes();
        &self.data[row * self.step + from * bytes..][..pixels * bytes]
    }
}
