//! Labelled images of an archive: CIFAR-10 as JPEG files, `train/CLASS/*.jpg` and `test/CLASS/*.jpg`.
//!
//! Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. The archive is the user's: nothing of it ships.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use rand::seq::SliceRandom;
use tch::{Device, Kind, Tensor};
use thalweg_nn::files::open_regular;
use thalweg_nn::weights::fingerprint;

/// Rows and columns of an image.
pub(crate) const SIDE: i64 = 32;
/// Images of each class, counted from the last, that no training sees.
const HELD_OUT: usize = 200;
/// Longest file of an image, bytes; those of CIFAR-10 have about a thousand.
const LONGEST: u64 = 1 << 16;
/// Most images in an archive.
const MOST_IMAGES: usize = 1_000_000;

/// Why images could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ImagesError {
    /// The archive cannot be opened.
    #[error("cannot read images of {}: {why}; expected a zip archive with train/CLASS/*.jpg and test/CLASS/*.jpg", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What the reader says.
        why: String,
    },
    /// An image in it cannot be used.
    #[error("{}: image {name}: {why}", path.display())]
    Image {
        /// The archive.
        path: PathBuf,
        /// The image.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// There are fewer images than asked for.
    #[error("{}: {got} images of {split}, expected at least {expected}", path.display())]
    TooFew {
        /// The archive.
        path: PathBuf,
        /// training, validation or test.
        split: &'static str,
        /// Images there are.
        got: usize,
        /// Images asked for.
        expected: usize,
    },
}

/// Which images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageSplit {
    /// Of `train`, without the last 200 of each class.
    Training,
    /// The last 200 of each class in `train`: what options are chosen on.
    Validation,
    /// Those of `test`: for the last table.
    Test,
}

impl ImageSplit {
    fn folder(self) -> &'static str {
        if self == Self::Test { "test" } else { "train" }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// Those of one class that belong to it, of names in order.
    fn of(self, names: &[String]) -> &[String] {
        let first_held_out = names.len().saturating_sub(HELD_OUT);
        match self {
            Self::Training => &names[..first_held_out],
            Self::Validation => &names[first_held_out..],
            Self::Test => names,
        }
    }
}

/// Images and what they show.
#[derive(Debug)]
pub struct LabelledImages {
    /// `[N, 3, 32, 32]`, bytes.
    pub pixels: Tensor,
    /// `[N]`, places in `classes`.
    pub labels: Tensor,
    /// Names of the classes, in the order of the alphabet, which is CIFAR-10's own.
    pub classes: Vec<String>,
}

impl LabelledImages {
    /// Reads images of a split: all, or `count` of them that are drawn by `seed`.
    ///
    /// # Errors
    /// [`ImagesError`] when the archive is missing or damaged, or has too few images.
    pub fn read(path: &Path, split: ImageSplit, draw: Option<(usize, u64)>) -> Result<Self, ImagesError> {
        let archive_error = |why: String| ImagesError::Archive { path: path.to_owned(), why };
        let file = open_regular(path).map_err(|error| archive_error(error.to_string()))?;
        let mut archive = zip::ZipArchive::new(file).map_err(|error| archive_error(error.to_string()))?;
        let by_class = names(&archive, split.folder());
        let classes: Vec<String> = by_class.keys().cloned().collect();
        let each = by_class.values().enumerate();
        let mut chosen: Vec<(&String, usize)> =
            each.flat_map(|(class, names)| split.of(names).iter().map(move |name| (name, class))).collect();
        let expected = draw.map_or(1, |(count, _)| count);
        if chosen.len() < expected || chosen.len() > MOST_IMAGES {
            let (path, got) = (path.to_owned(), chosen.len());
            return Err(ImagesError::TooFew { path, split: split.name(), got, expected });
        }
        if let Some((count, seed)) = draw {
            chosen.shuffle(&mut thalweg_nn::generator(seed, 0));
            chosen.truncate(count);
        }
        let mut pixels = Vec::with_capacity(chosen.len() * (3 * SIDE * SIDE) as usize);
        for (name, _) in &chosen {
            let refuse = |why: String| ImagesError::Image { path: path.to_owned(), name: (*name).clone(), why };
            let entry = archive.by_name(name).map_err(|error| refuse(error.to_string()))?;
            let mut bytes = Vec::new();
            entry.take(LONGEST).read_to_end(&mut bytes).map_err(|error| refuse(error.to_string()))?;
            pixels.extend(decode(&bytes).map_err(refuse)?);
        }
        let labels: Vec<i64> = chosen.iter().map(|(_, class)| *class as i64).collect();
        let pixels = Tensor::from_slice(&pixels).view([-1, SIDE, SIDE, 3]).permute([0, 3, 1, 2]).contiguous();
        Ok(Self { pixels, labels: Tensor::from_slice(&labels), classes })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> i64 {
        self.labels.size().first().copied().unwrap_or(0)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All images, `[N, 3, 32, 32]`, black 0, white 1.
    pub fn values(&self) -> Tensor {
        scaled(&self.pixels)
    }

    /// Some images, counted from the first, and their labels.
    #[must_use]
    pub fn first(&self, count: i64) -> Self {
        let count = count.min(self.len());
        let (pixels, labels) = (self.pixels.narrow(0, 0, count), self.labels.narrow(0, 0, count));
        Self { pixels, labels, classes: self.classes.clone() }
    }

    /// Tells one set of images from another.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let sums = self.pixels.to_kind(Kind::Float).mean_dim([2, 3].as_slice(), false, Kind::Float);
        fingerprint(&[("means".to_owned(), sums), ("labels".to_owned(), self.labels.shallow_clone())])
    }
}

/// Bytes to numbers from 0 to 1.
pub(crate) fn scaled(pixels: &Tensor) -> Tensor {
    pixels.to_device(Device::Cpu).to_kind(Kind::Float) / 255.0
}

/// Names of a split's files in order, by class.
fn names<R: Read + std::io::Seek>(archive: &zip::ZipArchive<R>, folder: &str) -> BTreeMap<String, Vec<String>> {
    let mut by_class: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in archive.file_names() {
        let mut parts = name.split('/');
        let (split, class, file) = (parts.next(), parts.next(), parts.next());
        let (Some(class), Some(file)) = (class, file) else { continue };
        if split == Some(folder) && file.ends_with(".jpg") && parts.next().is_none() {
            by_class.entry(class.to_owned()).or_default().push(name.to_owned());
        }
    }
    by_class.values_mut().for_each(|names| names.sort_unstable());
    by_class
}

/// Reads one image as bytes, `[32, 32, 3]`.
fn decode(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let image =
        image::load_from_memory_with_format(bytes, image::ImageFormat::Jpeg).map_err(|error| error.to_string())?;
    let (height, width) = (i64::from(image.height()), i64::from(image.width()));
    if (height, width) != (SIDE, SIDE) {
        return Err(format!("{width} x {height} pixels, expected {SIDE} x {SIDE}"));
    }
    Ok(image.to_rgb8().into_raw())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// An archive of images of one grey each: class a is dark, class b bright.
    fn archive(folder: &Path, of_class: u8) -> PathBuf {
        let path = folder.join("images.zip");
        let mut writer = zip::ZipWriter::new(std::fs::File::create(&path).expect("a file"));
        let options = zip::write::SimpleFileOptions::default();
        for (split, class, base) in [("train", "b", 150_u8), ("train", "a", 20), ("test", "a", 90), ("test", "b", 220)]
        {
            for index in 0..of_class {
                let mut bytes = Vec::new();
                let grey = image::RgbImage::from_pixel(32, 32, image::Rgb([base + index / 8; 3]));
                let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 95);
                grey.write_with_encoder(encoder).expect("a JPEG");
                writer.start_file(format!("{split}/{class}/{index:04}.jpg"), options).expect("an entry");
                writer.write_all(&bytes).expect("written");
            }
        }
        writer.finish().expect("an archive");
        path
    }

    #[test]
    fn splits_do_not_meet_and_classes_are_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = archive(folder.path(), 210);
        let read = |split| LabelledImages::read(&path, split, None).expect("images");
        let (training, validation, test) =
            (read(ImageSplit::Training), read(ImageSplit::Validation), read(ImageSplit::Test));
        assert_eq!((training.len(), validation.len(), test.len()), (20, 400, 420));
        assert_eq!(training.classes, ["a", "b"]);
        let mean = |images: &LabelledImages, class: i64| {
            let rows = images.labels.eq(class).nonzero().squeeze_dim(1);
            images.values().index_select(0, &rows).mean(Kind::Double).double_value(&[]) * 255.0
        };
        assert!((mean(&training, 0) - 20.5).abs() < 2.0 && (mean(&test, 1) - 232.0).abs() < 4.0);
        let drawn = |seed| LabelledImages::read(&path, ImageSplit::Test, Some((50, seed))).expect("images");
        assert_eq!(drawn(1).fingerprint(), drawn(1).fingerprint());
        assert_ne!(drawn(1).fingerprint(), drawn(2).fingerprint());
    }

    #[test]
    fn what_is_no_archive_or_too_small_is_told_in_a_sentence() {
        let folder = tempfile::tempdir().expect("a folder");
        let missing = LabelledImages::read(&folder.path().join("none.zip"), ImageSplit::Test, None);
        let text = missing.expect_err("nothing is there").to_string();
        assert!(text.contains("none.zip") && text.contains("expected a zip archive"), "{text}");
        let path = archive(folder.path(), 3);
        let few = LabelledImages::read(&path, ImageSplit::Test, Some((7, 0))).expect_err("six are there");
        assert!(matches!(few, ImagesError::TooFew { got: 6, expected: 7, .. }), "{few}");
    }
}
