//! A camera, as `sensor_msgs/CameraInfo` describes it: from pixels of its image to rays.

use super::bounds::{CAMERA, IMAGE_SIDE};
use super::judge_frame;
use super::refusal::{Cause, Refusal};
use super::stamp::Stamp;
use super::text::escaped;

/// A `sensor_msgs/CameraInfo`, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct CameraMessage<'a> {
    /// When it was published.
    pub stamp: Stamp,
    /// Frame of the camera: z forward, x to the right, y down.
    pub frame_id: &'a str,
    /// Rows of the whole image.
    pub height: u32,
    /// Columns of the whole image.
    pub width: u32,
    /// Name of the distortion.
    pub distortion_model: &'a str,
    /// Its coefficients.
    pub d: &'a [f64],
    /// Of the whole image as the lens makes it, row by row.
    pub k: [f64; 9],
    /// From the camera to the rectified one, row by row.
    pub r: [f64; 9],
    /// Of the whole rectified image, row by row.
    pub p: [f64; 12],
    /// How many columns and rows of it make one of the image; 0 is one.
    pub binning: [u32; 2],
    /// Which part of it is the image: first column, first row, columns, rows; no columns is all.
    pub roi: [u32; 4],
}

/// Where a camera sees what, in pixels of its image.
#[derive(Clone, Debug, PartialEq)]
pub struct Camera {
    /// Frame of the rays; empty where it has no name.
    pub frame_id: String,
    /// Columns and rows of the image.
    pub size: [f64; 2],
    /// Pixels of the whole image in one of the image, and the first of them.
    binning: [f64; 2],
    first: [f64; 2],
    /// Focal lengths, skew and principal point, pixels of the whole image.
    focal: [f64; 2],
    skew: f64,
    centre: [f64; 2],
    lens: Lens,
    /// From the frame of the pixels to that of the rays, row by row: what rectification turned.
    turn: [[f64; 3]; 3],
}

/// How a lens distorts.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lens {
    /// k1, k2, p1, p2, k3, k4, k5, k6: `plumb_bob`, with the last three zero, and `rational_polynomial`.
    Rational([f64; 8]),
    /// k1 to k4 of the angle from the axis.
    Equidistant([f64; 4]),
}

/// Steps of Newton's method, and how near the pixel must come, in x / z and y / z.
const STEPS: usize = 30;
const NEAR: f64 = 1e-9;
/// Largest number by which a rotation may miss its length.
const ROUNDED: f64 = 1e-3;
const NO_TURN: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

impl Camera {
    /// Reads a description; with `is_rectified` that of the rectified image, which has no distortion.
    ///
    /// # Errors
    /// [`Cause::Uncalibrated`] for a camera without focal lengths, [`Cause::UnknownDistortion`] for a lens of another kind,
    /// [`Cause::BadCamera`] for numbers that describe none.
    pub fn of(message: &CameraMessage<'_>, is_rectified: bool) -> Result<Self, Refusal> {
        let CameraMessage { width, height, .. } = *message;
        let is_side = |side: u32| IMAGE_SIDE.holds(f64::from(side)) && side > 0;
        if !is_side(width) || !is_side(height) {
            return Err(bad(&format!("an image of {width} x {height} pixels"), "1 to 65535 of each"));
        }
        let matrix = if is_rectified { rectified(message)? } else { message.k };
        let [fx, skew, cx, below, fy, cy, c, d, one] = matrix;
        let name = if is_rectified { "P" } else { "K" };
        if matrix.iter().all(|entry| *entry == 0.0) {
            let text = format!(
                "got a camera_info with a {name} of zeros, as of a camera that nobody calibrated; expected its focal lengths"
            );
            return Err(Refusal::new(Cause::Uncalibrated, text));
        }
        let is_focal = |focal: f64| focal > 0.0 && CAMERA.holds(focal);
        let is_matrix =
            [below, c, d] == [0.0; 3] && one == 1.0 && [skew, cx, cy].iter().all(|entry| CAMERA.holds(*entry));
        if !(is_focal(fx) && is_focal(fy) && is_matrix) {
            let got = format!("{name} {matrix:?}");
            return Err(bad(&got, "focal lengths above 0, all numbers within 1e6, and 0 0 1 at the end"));
        }
        let lens = if is_rectified { Lens::Rational([0.0; 8]) } else { Lens::of(message)? };
        let turn = if is_rectified { turn(&message.r)? } else { NO_TURN };
        let [x, y, columns, rows] = message.roi;
        let window = if columns == 0 || rows == 0 { [0, 0, width, height] } else { message.roi };
        if u64::from(x) + u64::from(window[2]) > u64::from(width)
            || u64::from(y) + u64::from(window[3]) > u64::from(height)
        {
            let got = format!("a region of {columns} x {rows} pixels from {x}, {y} on");
            return Err(bad(&got, &format!("one within the {width} x {height} of the image")));
        }
        let binning = message.binning.map(|count| f64::from(count.max(1)));
        let size = [f64::from(window[2]) / binning[0], f64::from(window[3]) / binning[1]];
        let frame_id = judge_frame(message.frame_id)?.to_owned();
        let (first, focal, centre) = ([f64::from(window[0]), f64::from(window[1])], [fx, fy], [cx, cy]);
        Ok(Self { frame_id, size, binning, first, focal, skew, centre, lens, turn })
    }

    /// The direction of a pixel, x / z and y / z in the camera's frame; none where no light from before the camera falls.
    #[must_use]
    pub fn ray(&self, pixel: [f64; 2]) -> Option<[f64; 2]> {
        let [u, v] = [0, 1].map(|axis| pixel[axis] * self.binning[axis] + self.first[axis] - self.centre[axis]);
        let y = v / self.focal[1];
        let straight = self.lens.undone([(u - self.skew * y) / self.focal[0], y])?;
        let [x, y, z] = self.turn.map(|row| row[0] * straight[0] + row[1] * straight[1] + row[2]);
        (z > 0.0).then(|| [x / z, y / z]).filter(|ray| ray.iter().all(|slope| slope.abs() <= thalweg::GREATEST_SLOPE))
    }

    /// Whether a pixel lies within the image.
    #[must_use]
    pub fn holds(&self, pixel: [f64; 2]) -> bool {
        pixel.iter().zip(self.size).all(|(place, size)| (-0.5..=size + 0.5).contains(place))
    }
}

impl Lens {
    fn of(message: &CameraMessage<'_>) -> Result<Self, Refusal> {
        let CameraMessage { distortion_model, d, .. } = *message;
        if !d.iter().all(|entry| CAMERA.holds(*entry)) {
            return Err(bad(&format!("coefficients {d:?}"), "numbers within 1e6"));
        }
        let count = match distortion_model {
            // Without coefficients no lens is meant, whatever its name.
            _ if d.is_empty() => return Ok(Self::Rational([0.0; 8])),
            "plumb_bob" => 5,
            "rational_polynomial" => 8,
            "equidistant" => 4,
            _ => {
                let name = escaped(distortion_model);
                let text = format!(
                    "got distortion '{name}'; expected plumb_bob, rational_polynomial or equidistant, or the rectified \
                     image (input.rectified)"
                );
                return Err(Refusal::new(Cause::UnknownDistortion, text));
            }
        };
        // OpenCV has shorter forms of the first, and longer ones of the second whose end is of thin prisms.
        let (own, more) = d.split_at(count.min(d.len()));
        let is_short = own.len() < count && !(distortion_model == "plumb_bob" && own.len() == 4);
        if is_short || more.iter().any(|entry| *entry != 0.0) {
            let got = format!("{} coefficients of {distortion_model}", d.len());
            return Err(bad(&got, &format!("{count}")));
        }
        let entry = |at: usize| own.get(at).copied().unwrap_or(0.0);
        Ok(match distortion_model {
            "equidistant" => Self::Equidistant(std::array::from_fn(entry)),
            _ => Self::Rational(std::array::from_fn(entry)),
        })
    }

    /// Undoes the distortion of a place in the image, x / z and y / z.
    fn undone(self, seen: [f64; 2]) -> Option<[f64; 2]> {
        match self {
            Self::Rational(coefficients) if coefficients == [0.0; 8] => Some(seen),
            Self::Rational(coefficients) => undo_rational(&coefficients, seen),
            Self::Equidistant(coefficients) => undo_equidistant(&coefficients, seen),
        }
    }
}

/// Where the lens puts a place, and how that changes with it: by x, by y.
fn distort(&[k1, k2, p1, p2, k3, k4, k5, k6]: &[f64; 8], [x, y]: [f64; 2]) -> ([f64; 2], [[f64; 2]; 2]) {
    let square = x * x + y * y;
    let above = 1.0 + square * (k1 + square * (k2 + square * k3));
    let below = 1.0 + square * (k4 + square * (k5 + square * k6));
    let radial = above / below;
    let slope = |a: f64, b: f64, c: f64| a + square * (2.0 * b + square * 3.0 * c);
    let by_square = (slope(k1, k2, k3) - radial * slope(k4, k5, k6)) / below;
    let place = [
        x * radial + 2.0 * p1 * x * y + p2 * (square + 2.0 * x * x),
        y * radial + p1 * (square + 2.0 * y * y) + 2.0 * p2 * x * y,
    ];
    let mixed = 2.0 * x * y * by_square + 2.0 * p1 * x + 2.0 * p2 * y;
    let by_x = radial + 2.0 * x * x * by_square + 2.0 * p1 * y + 6.0 * p2 * x;
    let by_y = radial + 2.0 * y * y * by_square + 6.0 * p1 * y + 2.0 * p2 * x;
    (place, [[by_x, mixed], [mixed, by_y]])
}

/// Newton's method, from where it was seen; a lens that folds its image has more than one answer, of which that on the near
/// side of the fold is meant.
fn undo_rational(coefficients: &[f64; 8], seen: [f64; 2]) -> Option<[f64; 2]> {
    let miss = |at: [f64; 2]| {
        let (place, slopes) = distort(coefficients, at);
        ([place[0] - seen[0], place[1] - seen[1]], slopes)
    };
    let mut at = seen;
    let (mut off, mut slopes) = miss(at);
    for _ in 0..STEPS {
        let length = off[0].hypot(off[1]);
        let [[a, b], [c, d]] = slopes;
        let determinant = a * d - b * c;
        // A place on the far side of a fold is the wrong one; the middle of the image is on the near side.
        if !(determinant > 0.0 && a + d > 0.0) {
            at = at.map(|entry| entry * 0.5);
            (off, slopes) = miss(at);
            continue;
        }
        if length <= NEAR {
            return Some(at);
        }
        let step = [(d * off[0] - b * off[1]) / determinant, (a * off[1] - c * off[0]) / determinant];
        let mut share = 1.0;
        loop {
            let next = [at[0] - share * step[0], at[1] - share * step[1]];
            let (next_off, next_slopes) = miss(next);
            if next_off[0].hypot(next_off[1]) < length {
                (at, off, slopes) = (next, next_off, next_slopes);
                break;
            }
            share *= 0.5;
            if share < 1e-4 {
                return None;
            }
        }
    }
    None
}

/// The angle from the axis of which the lens makes the distance from the middle, by Newton's method.
fn undo_equidistant(&[k1, k2, k3, k4]: &[f64; 4], seen: [f64; 2]) -> Option<[f64; 2]> {
    let distance = seen[0].hypot(seen[1]);
    if distance < NEAR {
        return Some(seen);
    }
    let mut angle = distance.min(std::f64::consts::FRAC_PI_2);
    for _ in 0..STEPS {
        let square = angle * angle;
        let made = angle * (1.0 + square * (k1 + square * (k2 + square * (k3 + square * k4))));
        let slope = 1.0 + square * (3.0 * k1 + square * (5.0 * k2 + square * (7.0 * k3 + square * 9.0 * k4)));
        if slope <= 0.0 || slope.is_nan() {
            return None;
        }
        if (made - distance).abs() <= NEAR {
            return (angle < std::f64::consts::FRAC_PI_2).then(|| seen.map(|entry| entry * angle.tan() / distance));
        }
        angle = (angle - (made - distance) / slope).clamp(0.0, std::f64::consts::PI);
    }
    None
}

/// K of the rectified image: the left part of P.
fn rectified(message: &CameraMessage<'_>) -> Result<[f64; 9], Refusal> {
    let p = &message.p;
    if !p.iter().all(|entry| CAMERA.holds(*entry)) {
        return Err(bad(&format!("P {p:?}"), "numbers within 1e6"));
    }
    Ok([p[0], p[1], p[2], p[4], p[5], p[6], p[8], p[9], p[10]])
}

/// What undoes the turn of the rectified camera; zeros are none.
fn turn(r: &[f64; 9]) -> Result<[[f64; 3]; 3], Refusal> {
    if r.iter().all(|entry| *entry == 0.0) {
        return Ok(NO_TURN);
    }
    let row = |at: usize| [r[3 * at], r[3 * at + 1], r[3 * at + 2]];
    let product = |a: usize, b: usize| row(a).iter().zip(row(b)).map(|(a, b)| a * b).sum::<f64>();
    let misses = |a: usize, b: usize| (product(a, b) - if a == b { 1.0 } else { 0.0 }).abs();
    let is_turn = (0..3).flat_map(|a| (0..3).map(move |b| (a, b))).all(|(a, b)| misses(a, b) <= ROUNDED);
    if !is_turn {
        return Err(bad(&format!("R {r:?}"), "a rotation, or zeros"));
    }
    Ok(std::array::from_fn(|column| std::array::from_fn(|entry| r[3 * entry + column])))
}

fn bad(got: &str, expected: &str) -> Refusal {
    Refusal::new(Cause::BadCamera, format!("got a camera_info with {got}; expected {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const K: [f64; 9] = [554.0, 0.0, 320.5, 0.0, 556.0, 240.5, 0.0, 0.0, 1.0];
    const R: [f64; 9] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    const P: [f64; 12] = [500.0, 0.0, 318.0, -20.0, 0.0, 500.0, 242.0, 0.0, 0.0, 0.0, 1.0, 0.0];

    fn message<'a>(distortion_model: &'a str, d: &'a [f64]) -> CameraMessage<'a> {
        let stamp = Stamp { sec: 1, nanosec: 0 };
        let (binning, roi) = ([0; 2], [0; 4]);
        CameraMessage {
            stamp,
            frame_id: "camera",
            height: 480,
            width: 640,
            distortion_model,
            d,
            k: K,
            r: R,
            p: P,
            binning,
            roi,
        }
    }

    /// A pixel as OpenCV's documentation has it: distorted, then by K.
    fn pixel(model: &str, d: &[f64], [x, y]: [f64; 2]) -> [f64; 2] {
        let seen = if model == "equidistant" {
            let distance = x.hypot(y);
            let angle = distance.atan();
            let powers: f64 = d.iter().enumerate().map(|(at, k)| k * angle.powi(2 * at as i32 + 2)).sum();
            let factor = if distance > 0.0 { angle * (1.0 + powers) / distance } else { 1.0 };
            [x * factor, y * factor]
        } else {
            let at = |index: usize| d.get(index).copied().unwrap_or(0.0);
            let r2 = x * x + y * y;
            let radial = (1.0 + at(0) * r2 + at(1) * r2.powi(2) + at(4) * r2.powi(3))
                / (1.0 + at(5) * r2 + at(6) * r2.powi(2) + at(7) * r2.powi(3));
            let (p1, p2) = (at(2), at(3));
            [
                x * radial + 2.0 * p1 * x * y + p2 * (r2 + 2.0 * x * x),
                y * radial + p1 * (r2 + 2.0 * y * y) + 2.0 * p2 * x * y,
            ]
        };
        [K[0] * seen[0] + K[2], K[4] * seen[1] + K[5]]
    }

    #[test]
    fn distortions_are_undone_over_the_whole_image() {
        let models: [(&str, &[f64]); 6] = [
            ("", &[]),
            ("plumb_bob", &[0.0; 5]),
            ("plumb_bob", &[-0.28, 0.09, 0.0008, -0.0005, -0.01]),
            ("plumb_bob", &[0.12, -0.25, 0.001, 0.002]),
            ("rational_polynomial", &[4.1, 2.3, 0.0003, -0.0002, 0.12, 4.4, 3.7, 0.6]),
            ("equidistant", &[-0.02, 0.01, -0.005, 0.001]),
        ];
        for (model, d) in models {
            let camera = Camera::of(&message(model, d), false).expect("a camera");
            let (mut seen, mut worst) = (0, 0.0_f64);
            for at in 0..21 * 17 {
                let ray = [f64::from(at % 21) * 0.05 - 0.5, f64::from(at / 21) * 0.05 - 0.4];
                let pixel = pixel(model, d, ray);
                if camera.holds(pixel) {
                    let found = camera.ray(pixel).unwrap_or_else(|| panic!("{model}: {ray:?}"));
                    worst = worst.max((found[0] - ray[0]).abs()).max((found[1] - ray[1]).abs());
                    seen += 1;
                }
            }
            assert!(worst < 1e-6 && seen > 200, "{model} {d:?}: {worst} at worst of {seen}");
        }
        let wide = Camera::of(&message("equidistant", &[0.0; 4]), false).expect("a camera");
        let ray = wide.ray(pixel("equidistant", &[0.0; 4], [3.0, 1.0])).expect("it sees that");
        assert!((ray[0] - 3.0).abs() < 1e-6 && (ray[1] - 1.0).abs() < 1e-6, "{ray:?}");
        assert_eq!(wide.ray([320.5 + 554.0 * 1.6, 240.5]), None, "behind the camera");
    }

    #[test]
    fn a_lens_that_folds_its_image_is_undone_on_the_near_side_or_not_at_all() {
        // x (1 - 0.4 r2) is greatest at r = 0.913.
        let camera = Camera::of(&message("plumb_bob", &[-0.4, 0.0, 0.0, 0.0, 0.0]), false).expect("a camera");
        let found = camera.ray([320.5 + 554.0 * 0.5 * (1.0 - 0.4 * 0.25), 240.5]).expect("on the near side");
        assert!((found[0] - 0.5).abs() < 1e-9, "{found:?}");
        assert_eq!(camera.ray([320.5 + 554.0 * 0.7, 240.5]), None, "nothing is seen there");
    }

    #[test]
    fn binning_and_regions_are_parts_of_the_whole_image() {
        let whole = Camera::of(&message("", &[]), false).expect("a camera");
        let part = CameraMessage { binning: [2, 2], roi: [100, 60, 400, 300], ..message("", &[]) };
        let part = Camera::of(&part, false).expect("a camera");
        assert_eq!(part.size, [200.0, 150.0]);
        assert_eq!(part.ray([30.0, 40.0]), whole.ray([160.0, 140.0]));
        let (sine, cosine) = 0.1_f64.sin_cos();
        let r = [cosine, 0.0, -sine, 0.0, 1.0, 0.0, sine, 0.0, cosine];
        let rectified = CameraMessage { r, ..message("thin_prism", &[1.0]) };
        let rectified = Camera::of(&rectified, true).expect("no distortion is left");
        let ray = rectified.ray([318.0, 242.0]).expect("the middle");
        assert!((ray[0] - 0.1_f64.tan()).abs() < 1e-12 && ray[1].abs() < 1e-12, "{ray:?}");
    }

    #[test]
    fn what_describes_no_camera_is_refused_in_words() {
        let plain = message("", &[]);
        let with_k = |at: usize, value: f64| {
            let mut k = K;
            k[at] = value;
            CameraMessage { k, ..plain }
        };
        let cases = [
            (CameraMessage { k: [0.0; 9], ..plain }, Cause::Uncalibrated, "K of zeros"),
            (CameraMessage { width: 0, ..plain }, Cause::BadCamera, "0 x 480"),
            (CameraMessage { height: 70_000, ..plain }, Cause::BadCamera, "640 x 70000"),
            (with_k(0, -554.0), Cause::BadCamera, "focal lengths above 0"),
            (with_k(4, f64::NAN), Cause::BadCamera, "focal lengths above 0"),
            (with_k(2, 1e9), Cause::BadCamera, "within 1e6"),
            (with_k(8, 0.0), Cause::BadCamera, "0 0 1 at the end"),
            (message("fov", &[1.0]), Cause::UnknownDistortion, "got distortion 'fov'"),
            (message("plumb_bob", &[1.0; 3]), Cause::BadCamera, "3 coefficients of plumb_bob; expected 5"),
            (message("rational_polynomial", &[1.0; 14]), Cause::BadCamera, "expected 8"),
            (message("plumb_bob", &[f64::INFINITY; 5]), Cause::BadCamera, "coefficients"),
            (CameraMessage { roi: [600, 0, 100, 100], ..plain }, Cause::BadCamera, "from 600, 0 on"),
        ];
        for (message, cause, text) in cases {
            let refusal = Camera::of(&message, false).expect_err("refused");
            assert_eq!(refusal.cause, cause, "{refusal}");
            assert!(refusal.text.contains(text), "{refusal}, expected {text}");
        }
        let none = CameraMessage { p: [0.0; 12], ..plain };
        assert_eq!(Camera::of(&none, true).expect_err("refused").cause, Cause::Uncalibrated);
        let skewed = CameraMessage { r: [0.5; 9], ..plain };
        assert!(Camera::of(&skewed, true).expect_err("refused").text.contains("a rotation"));
    }
}
