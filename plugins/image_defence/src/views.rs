//! Augmented views of an image, all of them linear in it.

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};
use thalweg_task::{Result, TaskError};

use crate::backbone::{CHANNELS, within};

/// Share of red, green, blue in how bright a pixel is (ITU-R BT.601).
const BRIGHTNESS: [f64; 3] = [0.299, 0.587, 0.114];

/// How much views may differ from the image; the form kept in files of weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewsConfig {
    /// How many views `V` of one image.
    pub count: i64,
    /// Least side of a view, as a share of the image's; the rest is cut off, what remains is brought to full size.
    pub least_side: f64,
    /// Whether every other view, by chance, is mirrored.
    pub flip: bool,
    /// How much brighter or darker a view may be: added to all pixels, which go from 0 to 1.
    pub brightness: f64,
    /// How far the contrast may be from 1.
    pub contrast: f64,
    /// How far the saturation may be from 1.
    pub saturation: f64,
}

impl Default for ViewsConfig {
    fn default() -> Self {
        Self { count: 4, least_side: 0.7, flip: true, brightness: 0.1, contrast: 0.3, saturation: 0.3 }
    }
}

impl ViewsConfig {
    /// Checks that every number is in its range.
    ///
    /// # Errors
    /// A sentence that says which number came, and what was expected.
    pub fn check(&self) -> std::result::Result<(), String> {
        within("views.count", self.count, 2..=32)?;
        let shares = [
            ("views.least_side", self.least_side, 0.2..=1.0),
            ("views.brightness", self.brightness, 0.0..=0.5),
            ("views.contrast", self.contrast, 0.0..=0.9),
            ("views.saturation", self.saturation, 0.0..=0.9),
        ];
        match shares.into_iter().find(|(_, share, range)| !range.contains(share)) {
            None => Ok(()),
            Some((name, share, range)) => {
                Err(format!("{name}: expected {} to {}, got {share}", range.start(), range.end()))
            }
        }
    }
}

/// Views that are drawn once: each a crop that is brought to full size, perhaps mirrored, with other colours.
///
/// Rows and columns of a crop are interpolated by a matrix each, and colours are mixed by one of 3 x 3 numbers, so a view
/// is linear in the image, and all that is random is in the matrices.
#[derive(Debug)]
pub struct Views {
    /// `[R, V, 1, H, H]`: rows of a view from those of the image.
    down: Tensor,
    /// `[R, V, 1, W, W]`: columns of the image to those of a view.
    across: Tensor,
    /// `[R, V, 3, 3]`.
    colour: Tensor,
    /// `[R, V, 3, 1]`.
    offset: Tensor,
}

impl Views {
    /// Draws the views that each of any number of images is looked at by.
    #[must_use]
    pub fn draw(config: &ViewsConfig, seed: u64, (height, width): (i64, i64), like: (Kind, Device)) -> Self {
        Self::draw_rows(config, 1, &mut StdRng::seed_from_u64(seed), (height, width), like)
    }

    /// Draws views of their own for each of `rows` images, as a training needs them.
    #[must_use]
    pub fn draw_rows(
        config: &ViewsConfig,
        rows: i64,
        random: &mut StdRng,
        (height, width): (i64, i64),
        (kind, device): (Kind, Device),
    ) -> Self {
        let (mut down, mut across, mut colour, mut offset) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rows * config.count {
            let share = random.random_range(config.least_side..=1.0);
            let corner = |random: &mut StdRng, side: i64| random.random_range(0.0..=1.0) * (1.0 - share) * side as f64;
            let (top, left) = (corner(random, height), corner(random, width));
            let mirrored = random.random_range(0..2) == 1 && config.flip;
            down.extend(resampling(height, top, share, false));
            across.extend(resampling(width, left, share, mirrored));
            let (mix, shift) = colours(config, random);
            colour.extend(mix);
            offset.extend([shift; 3]);
        }
        let count = config.count;
        let tensor =
            |values: &[f64], shape: &[i64]| Tensor::from_slice(values).view(shape).to_kind(kind).to_device(device);
        Self {
            down: tensor(&down, &[rows, count, 1, height, height]),
            across: tensor(&across, &[rows, count, 1, width, width]).transpose(-1, -2).contiguous(),
            colour: tensor(&colour, &[rows, count, CHANNELS, CHANNELS]),
            offset: tensor(&offset, &[rows, count, CHANNELS, 1]),
        }
    }

    /// How many views `V` of each image.
    #[must_use]
    pub fn count(&self) -> i64 {
        self.down.size()[1]
    }

    /// Looks at images: `[K, 3, H, W]` to `[K, V, 3, H, W]`, differentiable.
    ///
    /// # Errors
    /// [`TaskError::Shape`] when the images have another shape.
    pub fn of(&self, image: &Tensor) -> Result<Tensor> {
        let (rows, height, width) = (self.down.size()[0], self.down.size()[3], self.across.size()[3]);
        let fits =
            matches!(image.size()[..], [k, CHANNELS, h, w] if h == height && w == width && (rows == 1 || rows == k));
        if !fits {
            let rows = if rows == 1 { "K".to_owned() } else { rows.to_string() };
            return Err(TaskError::shape("image", format!("[{rows}, {CHANNELS}, {height}, {width}]"), image));
        }
        let crops = self.down.f_matmul(&image.unsqueeze(1))?.f_matmul(&self.across)?;
        let size = crops.size();
        Ok((self.colour.f_matmul(&crops.flatten(-2, -1))? + &self.offset).view(&size[..]))
    }
}

/// Weights `[side, side]`, row by row, by which pixels of a view are interpolated from those of the image: a view begins at
/// `start` pixels and is `share` of the side wide. Beyond the middle of a border's pixel, that pixel counts.
fn resampling(side: i64, start: f64, share: f64, mirrored: bool) -> Vec<f64> {
    let mut weights = vec![0.0; (side * side) as usize];
    for pixel in 0..side {
        let source = if mirrored { side - 1 - pixel } else { pixel };
        let place = (start + (source as f64 + 0.5) * share - 0.5).clamp(0.0, (side - 1) as f64);
        let (before, part) = (place.floor(), place.fract());
        let row = (pixel * side) as usize;
        weights[row + before as usize] += 1.0 - part;
        if part > 0.0 {
            weights[row + before as usize + 1] += part;
        }
    }
    weights
}

/// Draws how colours are mixed, `[3, 3]` row by row, and what is added to each.
fn colours(config: &ViewsConfig, random: &mut StdRng) -> ([f64; 9], f64) {
    let mut about = |spread: f64| random.random_range(-1.0..=1.0) * spread;
    let (shift, contrast, saturation) =
        (about(config.brightness), 1.0 + about(config.contrast), 1.0 + about(config.saturation));
    // Contrast about the middle grey, saturation about the pixel's own brightness.
    let entry = |place: usize| {
        let (row, column) = (place / 3, place % 3);
        let own = if row == column { saturation } else { 0.0 };
        contrast * (own + (1.0 - saturation) * BRIGHTNESS[column])
    };
    (std::array::from_fn(entry), shift + 0.5 * (1.0 - contrast))
}
