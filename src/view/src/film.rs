//! Pictures into files: PNG, and GIF with what changed only.

use std::borrow::Cow;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use color_quant::NeuQuant;
use gif::{DisposalMethod, Encoder, Frame, Repeat};
use thalweg_nn::files::NewFile;

/// Colours of a GIF beside the one that means "as before".
const COLOURS: usize = 255;

/// Difference of a channel below which a pixel counts as unchanged: less is not seen in motion. A guess, by eye.
const UNCHANGED: u8 = 5;

/// How thorough the search for colours is, from 1, thorough, to 30.
const SAMPLING: i32 = 3;

/// A picture: red, green and blue of each pixel, row by row from the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Three bytes for each pixel.
    pub data: Vec<u8>,
}

impl Picture {
    /// Writes a PNG.
    ///
    /// # Errors
    /// What the disk says.
    pub fn save(&self, path: &Path) -> anyhow::Result<()> {
        let mut file = NewFile::create(path)?;
        let mut encoder = png::Encoder::new(BufWriter::new(&mut file), self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Best);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.data)?;
        writer.finish()?;
        Ok(file.replace()?)
    }

    /// The red, green and blue of a pixel.
    #[must_use]
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        let at = 3 * (y as usize * self.width as usize + x as usize);
        [self.data[at], self.data[at + 1], self.data[at + 2]]
    }

    /// The picture in a fraction of its size, each pixel the mean of those that it covers.
    #[must_use]
    pub fn reduced(&self, by: u32) -> Self {
        let (width, height) = (self.width / by, self.height / by);
        let mut data = Vec::with_capacity(3 * width as usize * height as usize);
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let covered = (0..by).flat_map(|dy| (0..by).map(move |dx| (x * by + dx, y * by + dy)));
            let sum = covered.fold([0u32; 3], |sum, (x, y)| {
                let pixel = self.pixel(x, y);
                [0, 1, 2].map(|channel| sum[channel] + u32::from(pixel[channel]))
            });
            data.extend(sum.map(|sum| ((sum + by * by / 2) / (by * by)) as u8));
        }
        Self { width, height, data }
    }
}

/// A GIF that is being written; one palette for all pictures, found in the first.
pub struct Film<W: Write> {
    encoder: Encoder<W>,
    colours: NeuQuant,
    /// What is seen where the film stands, and the size of all pictures.
    shown: Picture,
    delay: u16,
}

/// A GIF that goes into a file.
pub type FilmFile = Film<BufWriter<NewFile>>;

impl FilmFile {
    /// Begins a GIF with its first picture; the file is there once it has ended.
    ///
    /// # Errors
    /// What the disk says, and when the picture is larger than a GIF can be.
    pub fn create(path: &Path, first: &Picture, delay: Duration) -> anyhow::Result<Self> {
        Self::begin(BufWriter::new(NewFile::create(path)?), first, delay)
    }

    /// Ends the GIF and gives the file its name.
    ///
    /// # Errors
    /// What the disk says.
    pub fn end(self) -> anyhow::Result<()> {
        let file = self.encoder.into_inner()?.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        Ok(file.replace()?)
    }
}

impl<W: Write> Film<W> {
    fn begin(out: W, first: &Picture, delay: Duration) -> anyhow::Result<Self> {
        let rgba: Vec<u8> = first.data.as_chunks::<3>().0.iter().flat_map(|[r, g, b]| [*r, *g, *b, 255]).collect();
        let colours = NeuQuant::new(SAMPLING, COLOURS, &rgba);
        let palette = colours.color_map_rgb();
        let mut encoder = Encoder::new(out, u16::try_from(first.width)?, u16::try_from(first.height)?, &palette)?;
        encoder.set_repeat(Repeat::Infinite)?;
        let hundredths = u16::try_from(delay.as_millis() / 10).unwrap_or(u16::MAX);
        // Nothing is shown yet: every pixel differs from this.
        let shown = Picture { data: Vec::new(), ..*first };
        let mut film = Self { encoder, colours, shown, delay: hundredths.max(2) };
        film.add(first)?;
        Ok(film)
    }

    /// Adds a picture of the first one's size; others are refused.
    ///
    /// # Errors
    /// What the disk says, or the sizes.
    pub fn add(&mut self, picture: &Picture) -> anyhow::Result<()> {
        let (got, expected) = ((picture.width, picture.height), (self.shown.width, self.shown.height));
        anyhow::ensure!(got == expected, "got a picture of {got:?} pixels; expected {expected:?}, the first one's");
        let is_first = self.shown.data.is_empty();
        let [left, top, right, bottom] = if is_first { [0, 0, got.0, got.1] } else { self.changed(picture) };
        let transparent = u8::try_from(COLOURS).unwrap_or(u8::MAX);
        let mut buffer = Vec::new();
        for (y, x) in (top..bottom).flat_map(|y| (left..right).map(move |x| (y, x))) {
            let [r, g, b] = picture.pixel(x, y);
            let is_same = !is_first && is_near(self.shown.pixel(x, y), [r, g, b]);
            buffer.push(if is_same { transparent } else { self.colours.index_of(&[r, g, b, 255]) as u8 });
        }
        self.keep(picture, is_first);
        let frame = Frame {
            delay: self.delay,
            dispose: DisposalMethod::Keep,
            transparent: Some(transparent),
            left: u16::try_from(left)?,
            top: u16::try_from(top)?,
            width: u16::try_from(right - left)?,
            height: u16::try_from(bottom - top)?,
            buffer: Cow::Owned(buffer),
            ..Frame::default()
        };
        self.encoder.write_frame(&frame)?;
        Ok(())
    }

    /// The rectangle of what changed: left, top, right, bottom; one pixel where nothing did.
    fn changed(&self, picture: &Picture) -> [u32; 4] {
        let (width, mut bounds) = (picture.width, [picture.width, picture.height, 0, 0]);
        let pairs = picture.data.as_chunks::<3>().0.iter().zip(self.shown.data.as_chunks::<3>().0);
        for (at, _) in pairs.enumerate().filter(|(_, (new, old))| !is_near(**new, **old)) {
            let (x, y) = (at as u32 % width, at as u32 / width);
            bounds = [bounds[0].min(x), bounds[1].min(y), bounds[2].max(x + 1), bounds[3].max(y + 1)];
        }
        if bounds[2] == 0 { [0, 0, 1, 1] } else { bounds }
    }

    /// Remembers what is seen now: unchanged pixels stay as they were drawn, so that small changes add up.
    fn keep(&mut self, picture: &Picture, is_first: bool) {
        if is_first {
            self.shown.data.clone_from(&picture.data);
            return;
        }
        let pairs = self.shown.data.as_chunks_mut::<3>().0.iter_mut().zip(picture.data.as_chunks::<3>().0);
        pairs.filter(|(old, new)| !is_near(**old, **new)).for_each(|(old, new)| *old = *new);
    }
}

fn is_near(one: [u8; 3], other: [u8; 3]) -> bool {
    one.iter().zip(other).all(|(one, other)| one.abs_diff(other) < UNCHANGED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(colour: [u8; 3], dot: Option<(usize, [u8; 3])>) -> Picture {
        let mut data = colour.repeat(8 * 4);
        if let Some((at, colour)) = dot {
            data[3 * at..3 * at + 3].copy_from_slice(&colour);
        }
        Picture { width: 8, height: 4, data }
    }

    #[test]
    fn a_film_reads_back_as_what_was_put_in() {
        let (white, red) = ([250, 250, 250], [213, 94, 0]);
        let pictures =
            [picture(white, Some((0, red))), picture(white, Some((20, red))), picture(white, Some((20, red)))];
        let mut bytes = Vec::new();
        let mut film = Film::begin(&mut bytes, &pictures[0], Duration::from_millis(80)).expect("it fits");
        film.add(&pictures[1]).expect("it fits");
        film.add(&pictures[2]).expect("it fits");
        assert!(film.add(&Picture { width: 4, height: 8, ..pictures[0].clone() }).is_err());
        drop(film);
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(bytes.as_slice()).expect("a GIF");
        let mut sizes = Vec::new();
        let mut canvas = [0u8; 8 * 4 * 3];
        while let Some(frame) = decoder.read_next_frame().expect("whole") {
            sizes.push((frame.width, frame.height, frame.delay));
            for (at, pixel) in frame.buffer.as_chunks::<4>().0.iter().enumerate().filter(|(_, pixel)| pixel[3] > 0) {
                let (x, y) =
                    (at % frame.width as usize + frame.left as usize, at / frame.width as usize + frame.top as usize);
                canvas[3 * (y * 8 + x)..][..3].copy_from_slice(&pixel[..3]);
            }
        }
        assert_eq!(sizes, [(8, 4, 8), (5, 3, 8), (1, 1, 8)], "what changed only");
        let far = canvas.iter().zip(&pictures[2].data).map(|(got, expected)| got.abs_diff(*expected)).max();
        assert!(far < Some(12), "{far:?}");
    }

    #[test]
    fn a_reduced_picture_is_the_mean() {
        let picture = Picture { width: 2, height: 2, data: [[0u8; 3], [100; 3], [200; 3], [100; 3]].concat() };
        assert_eq!(picture.reduced(2), Picture { width: 1, height: 1, data: vec![100; 3] });
    }
}
