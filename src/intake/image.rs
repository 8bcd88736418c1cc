//! Images: from the bytes of a message to what the task reads.

use thalweg_task::ImageSpec;

use super::Decoded;
use super::encoding::{Colours, Encoding, Sample, read_f32, read_u16};
use super::refusal::{Cause, Refusal};
use super::resize::Span;
use super::stamp::Stamp;
use super::text::escaped;

/// Share of a target pixel that must have been seen for it to be observed.
///
/// Half: a source pixel that was not seen hides the target pixels it mostly covers, no others.
const LEAST_SEEN: f32 = 0.5;

/// Shares of red, green and blue in gray (ITU-R BT.601, as OpenCV converts).
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// A `sensor_msgs/Image`, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct ImageMessage<'a> {
    /// When it was exposed.
    pub stamp: Stamp,
    /// Optical frame of the camera.
    pub frame_id: &'a str,
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
    /// Name of the encoding, as in `sensor_msgs/image_encodings.hpp`.
    pub encoding: &'a str,
    /// Whether samples of several bytes have the most significant one first.
    pub is_bigendian: u8,
    /// Bytes from one row to the next.
    pub step: u32,
    /// The rows, one after the other.
    pub data: &'a [u8],
}

/// Checked sizes of an image whose bytes are all there.
struct Pixels<'a> {
    height: usize,
    width: usize,
    step: usize,
    encoding: Encoding,
    is_bigendian: bool,
    data: &'a [u8],
}

/// Decodes an image and brings it to the size and the channels of `spec`.
///
/// Returns `[C, H, W]`, row by row, black 0, white 1, NaN where unobserved. Rows may be padded.
/// Sizes are matched along each axis: by averaging areas when the image is larger, linearly when
/// it is smaller. Alpha is dropped; gray and colour are converted into each other.
///
/// # Errors
/// [`Cause::UnknownEncoding`], [`Cause::EmptyImage`], [`Cause::BadStep`], [`Cause::BadSize`] or
/// [`Cause::WrongChannels`], before anything is allocated.
pub fn decode_image(message: &ImageMessage<'_>, spec: &ImageSpec) -> Result<Decoded, Refusal> {
    let encoding = Encoding::find(message.encoding).ok_or_else(|| {
        let text = format!("got encoding '{}'; expected one of {}", escaped(message.encoding), Encoding::names());
        Refusal::new(Cause::UnknownEncoding, text)
    })?;
    let pixels = check_size(message, encoding)?;
    let [channels, height, width] = check_spec(spec)?;
    let columns: Vec<_> = (0..width).map(|column| Span::new(pixels.width, width, column)).collect();
    let mut values = vec![f32::NAN; channels * height * width];
    let mut sums = vec![Sum::default(); width];
    let mut outside = None;
    for row in 0..height {
        sums.fill(Sum::default());
        let span = Span::new(pixels.height, height, row);
        for source in span.pixels.clone() {
            pixels.add_row(&mut sums, &columns, (source, span.weight(source)), &mut outside);
        }
        for (column, sum) in sums.iter().enumerate() {
            let means = sum.means(encoding.colours, channels);
            for (channel, mean) in means.iter().enumerate().take(channels) {
                values[(channel * height + row) * width + column] = *mean;
            }
        }
    }
    let notices = outside.map(outside_notice).into_iter().collect();
    Ok(Decoded { values, notices })
}

fn outside_notice(value: f32) -> Refusal {
    let text = format!("got brightness {value}; expected 0..1; such pixels are unobserved");
    Refusal::new(Cause::OutOfLimits, text)
}

/// Checks that the bytes are those of an image of this size (I1, I2, I3, I4).
fn check_size<'a>(message: &ImageMessage<'a>, encoding: Encoding) -> Result<Pixels<'a>, Refusal> {
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
    let (height, width, step, is_bigendian) =
        (height as usize, width as usize, step as usize, message.is_bigendian != 0);
    Ok(Pixels { height, width, step, encoding, is_bigendian, data })
}

/// Channels, rows and columns of the target.
fn check_spec(spec: &ImageSpec) -> Result<[usize; 3], Refusal> {
    let sizes = [spec.channels, spec.height, spec.width].map(|size| usize::try_from(size).unwrap_or(0));
    if ![1, 3].contains(&sizes[0]) || sizes[1] == 0 || sizes[2] == 0 {
        let text = format!("got an image; expected {} channels, which no encoding gives", spec.channels);
        return Err(Refusal::new(Cause::WrongChannels, text));
    }
    Ok(sizes)
}

/// A weighted sum of the pixels that were seen, by channel of the source.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    value: [f32; 3],
    seen: [f32; 3],
    weight: f32,
}

impl Sum {
    /// The means of one (gray) or three target channels.
    fn means(&self, colours: Colours, channels: usize) -> [f32; 3] {
        let [red, green, blue] = [0, 1, 2].map(|channel| self.mean(channel));
        match (colours, channels) {
            (Colours::Gray, _) => [red; 3],
            (Colours::Rgb(_), 1) => [(red * LUMA[0] + green * LUMA[1] + blue * LUMA[2]).min(1.0); 3],
            (Colours::Rgb(_), _) => [red, green, blue],
        }
    }

    /// The mean of what was seen, NaN where too little was.
    fn mean(&self, channel: usize) -> f32 {
        let seen = self.seen[channel];
        let enough = seen > 0.0 && seen >= LEAST_SEEN * self.weight * (1.0 - 1e-5);
        if enough { (self.value[channel] / seen).clamp(0.0, 1.0) } else { f32::NAN }
    }
}

impl Pixels<'_> {
    /// Adds one row, given with its weight, to one row of the target.
    fn add_row(&self, sums: &mut [Sum], columns: &[Span], row: (usize, f32), outside: &mut Option<f32>) {
        let is_bigendian = self.is_bigendian;
        match self.encoding.sample {
            Sample::U8 => self.add_colours(sums, columns, row, |bytes| f32::from(bytes[0]) / 255.0),
            Sample::U16 => self.add_colours(sums, columns, row, |bytes| read_u16(bytes, is_bigendian)),
            Sample::F32 => self.add_colours(sums, columns, row, |bytes| read_f32(bytes, is_bigendian, outside)),
        }
    }

    fn add_colours(&self, sums: &mut [Sum], columns: &[Span], row: (usize, f32), read: impl FnMut(&[u8]) -> f32) {
        match self.encoding.colours {
            Colours::Gray => self.add_samples(sums, columns, row, [0], read),
            Colours::Rgb(places) => self.add_samples(sums, columns, row, places, read),
        }
    }

    /// The inner loop: `places` of samples that count, and how to `read` one.
    fn add_samples<const N: usize>(
        &self,
        sums: &mut [Sum],
        columns: &[Span],
        (row, row_weight): (usize, f32),
        places: [usize; N],
        mut read: impl FnMut(&[u8]) -> f32,
    ) {
        let bytes = self.encoding.bytes();
        let offsets = places.map(|place| place * self.encoding.sample.bytes());
        let row = &self.data[row * self.step..][..self.width * bytes];
        for (sum, span) in sums.iter_mut().zip(columns) {
            let pixels = row[span.pixels.start * bytes..span.pixels.end * bytes].chunks_exact(bytes);
            for (pixel, source) in pixels.zip(span.pixels.clone()) {
                let weight = row_weight * span.weight(source);
                sum.weight += weight;
                for channel in 0..N {
                    let value = read(&pixel[offsets[channel]..]);
                    if !value.is_nan() {
                        sum.value[channel] += value * weight;
                        sum.seen[channel] += weight;
                    }
                }
            }
        }
    }
}
