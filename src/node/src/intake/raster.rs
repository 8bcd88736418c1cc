//! Pixels as bytes: which size they claim, and whether they are all there.

use std::borrow::Cow;

use super::bounds::IMAGE_SIDE;
use super::encoding::Encoding;
use super::image::ImageMessage;
use super::refusal::{Cause, Refusal};
use super::store::Store;
use super::text::escaped;

/// An image of which all bytes are there.
#[derive(Clone, Debug)]
pub(super) struct Raster<'a> {
    pub(super) height: usize,
    pub(super) width: usize,
    /// Bytes from one row to the next.
    pub(super) step: usize,
    /// What a row becomes when it is read.
    pub(super) encoding: Encoding,
    /// How the rows are stored.
    pub(super) store: Store,
    pub(super) is_bigendian: bool,
    pub(super) data: Cow<'a, [u8]>,
}

impl<'a> Raster<'a> {
    /// Checks that the bytes are those of an image of this size (I1, I2, I3, I4, I5).
    ///
    /// # Errors
    /// [`Cause::UnknownEncoding`], [`Cause::EmptyImage`], [`Cause::BadStep`] or [`Cause::BadSize`].
    pub(super) fn of(message: &ImageMessage<'a>) -> Result<Self, Refusal> {
        let (store, encoding) = Store::find(message.encoding).ok_or_else(|| {
            let text = format!("got encoding '{}'; expected one of {}", escaped(message.encoding), Store::names());
            Refusal::new(Cause::UnknownEncoding, text)
        })?;
        check_size(message, store, encoding)?;
        let &ImageMessage { height, width, step, data, .. } = message;
        let (height, width, step) = (height as usize, width as usize, step as usize);
        let (is_bigendian, data) = (message.is_bigendian != 0, Cow::Borrowed(data));
        Ok(Self { height, width, step, encoding, store, is_bigendian, data })
    }

    /// Bytes of a row, without what pads it, from pixel `from` on.
    pub(super) fn row(&self, row: usize, from: usize, pixels: usize) -> &[u8] {
        let bytes = self.encoding.bytes();
        &self.data[row * self.step + from * bytes..][..pixels * bytes]
    }

    /// Bytes of a row as it is stored, with what pads it where that is there.
    pub(super) fn bytes(&self, row: usize) -> &[u8] {
        let rest = &self.data[row * self.step..];
        &rest[..self.step.min(rest.len())]
    }
}

/// Checks size, step and bytes against each other, before anything is allocated.
fn check_size(message: &ImageMessage<'_>, store: Store, encoding: Encoding) -> Result<(), Refusal> {
    let &ImageMessage { height, width, step, data, encoding: name, .. } = message;
    let refuse = |cause, text: String| Err(Refusal::new(cause, text));
    if height == 0 || width == 0 {
        return refuse(Cause::EmptyImage, format!("got an image of {width} x {height} pixels; expected at least one"));
    }
    let row = store.row_bytes(encoding, width);
    if u128::from(step) < row {
        let bytes = row.div_ceil(u128::from(width));
        let text = format!("got step {step} < width {width} x {bytes} B ({name}); expected at least {row}");
        return refuse(Cause::BadStep, text);
    }
    let rows = store.rows(height);
    let whole = u128::from(step) * rows;
    let least = whole - u128::from(step) + row;
    let got = data.len() as u128;
    if got != whole && got != least {
        let text = format!("got {got} B of data; expected step {step} x height {rows} = {whole} B");
        return refuse(Cause::BadSize, text);
    }
    let (most, least) = (IMAGE_SIDE.greatest, store.least_side());
    let is_side = |side: u32| side >= least && IMAGE_SIDE.holds(f64::from(side));
    if !is_side(height) || !is_side(width) {
        let text =
            format!("got an image of {width} x {height} pixels ({name}); expected {least} to {most} on each side");
        return refuse(Cause::BadSize, text);
    }
    Ok(())
}
