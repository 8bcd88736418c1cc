//! Small pictures of our own, drawn shape by shape, of what CIFAR-10's classes name.

use tch::{Kind, Tensor};

/// Rows and columns of a picture.
const SIDE: usize = 32;
/// Points along a side of a pixel whose colours are averaged.
const FINE: usize = 6;

/// Red, green, blue, from 0 to 1.
type Colour = [f64; 3];

/// What is painted; places are shares of the side, from the upper left.
#[derive(Clone, Copy)]
enum Shape {
    /// Everything, from one colour at the top to another at the bottom.
    Ground(Colour, Colour),
    /// Centre, half axes, turn in degrees, colour.
    Ellipse([f64; 2], [f64; 2], f64, Colour),
    /// Corners in turn, and a colour above and below.
    Polygon(&'static [[f64; 2]], Colour, Colour),
}

use Shape::{Ellipse, Ground, Polygon};

/// A picture and the class that it is meant to show.
#[derive(Clone, Copy)]
pub(super) struct Picture {
    pub(super) class: &'static str,
    shapes: &'static [Shape],
}

const GREY: Colour = [0.55, 0.56, 0.58];
const DARK: Colour = [0.08, 0.08, 0.1];
const WHITE: Colour = [0.93, 0.93, 0.95];
const GLASS: Colour = [0.25, 0.32, 0.4];
const RED: Colour = [0.75, 0.1, 0.1];
const BROWN: Colour = [0.45, 0.28, 0.16];
const GRASS: [Colour; 2] = [[0.42, 0.58, 0.28], [0.28, 0.42, 0.16]];

/// All of them.
pub(super) const PICTURES: [Picture; 8] = [
    Picture {
        class: "airplane",
        shapes: &[
            Ground([0.42, 0.62, 0.9], [0.72, 0.83, 0.95]),
            Ellipse([0.5, 0.52], [0.4, 0.065], -6.0, WHITE),
            Polygon(&[[0.45, 0.52], [0.58, 0.5], [0.4, 0.82], [0.3, 0.82]], [0.7, 0.72, 0.76], GREY),
            Polygon(&[[0.47, 0.5], [0.56, 0.49], [0.5, 0.3], [0.44, 0.3]], [0.8, 0.82, 0.85], GREY),
            Polygon(&[[0.1, 0.56], [0.2, 0.53], [0.14, 0.36], [0.07, 0.37]], WHITE, GREY),
        ],
    },
    Picture {
        class: "ship",
        shapes: &[
            Ground([0.6, 0.75, 0.9], [0.8, 0.88, 0.93]),
            Polygon(&[[0.0, 0.62], [1.0, 0.62], [1.0, 1.0], [0.0, 1.0]], [0.2, 0.38, 0.52], [0.1, 0.22, 0.36]),
            Polygon(&[[0.05, 0.54], [0.95, 0.5], [0.85, 0.72], [0.14, 0.72]], [0.12, 0.16, 0.3], [0.3, 0.08, 0.08]),
            Polygon(&[[0.2, 0.42], [0.7, 0.42], [0.72, 0.54], [0.18, 0.54]], WHITE, [0.8, 0.8, 0.82]),
            Polygon(&[[0.3, 0.32], [0.58, 0.32], [0.6, 0.42], [0.28, 0.42]], WHITE, WHITE),
            Polygon(&[[0.4, 0.18], [0.49, 0.18], [0.5, 0.32], [0.39, 0.32]], RED, DARK),
            Polygon(&[[0.24, 0.46], [0.66, 0.46], [0.66, 0.49], [0.24, 0.49]], GLASS, GLASS),
        ],
    },
    Picture {
        class: "automobile",
        shapes: &[
            Ground([0.75, 0.78, 0.8], [0.4, 0.4, 0.42]),
            Polygon(&[[0.24, 0.5], [0.34, 0.31], [0.66, 0.31], [0.79, 0.5]], [0.85, 0.12, 0.12], RED),
            Polygon(&[[0.3, 0.49], [0.37, 0.35], [0.5, 0.35], [0.5, 0.49]], GLASS, DARK),
            Polygon(&[[0.53, 0.49], [0.53, 0.35], [0.64, 0.35], [0.73, 0.49]], GLASS, DARK),
            Polygon(
                &[[0.05, 0.52], [0.25, 0.48], [0.8, 0.48], [0.95, 0.55], [0.96, 0.7], [0.04, 0.7]],
                [0.85, 0.12, 0.12],
                [0.5, 0.05, 0.05],
            ),
            Ellipse([0.24, 0.7], [0.11, 0.11], 0.0, DARK),
            Ellipse([0.76, 0.7], [0.11, 0.11], 0.0, DARK),
            Ellipse([0.24, 0.7], [0.05, 0.05], 0.0, GREY),
            Ellipse([0.76, 0.7], [0.05, 0.05], 0.0, GREY),
        ],
    },
    Picture {
        class: "truck",
        shapes: &[
            Ground([0.7, 0.8, 0.92], [0.42, 0.4, 0.38]),
            Polygon(&[[0.3, 0.2], [0.97, 0.2], [0.97, 0.68], [0.3, 0.68]], WHITE, [0.78, 0.78, 0.8]),
            Polygon(
                &[[0.04, 0.52], [0.1, 0.34], [0.28, 0.34], [0.28, 0.72], [0.04, 0.72]],
                [0.2, 0.3, 0.7],
                [0.1, 0.15, 0.4],
            ),
            Polygon(&[[0.08, 0.5], [0.12, 0.38], [0.24, 0.38], [0.24, 0.5]], GLASS, DARK),
            Polygon(&[[0.04, 0.7], [0.97, 0.68], [0.97, 0.76], [0.04, 0.76]], DARK, DARK),
            Ellipse([0.17, 0.77], [0.09, 0.09], 0.0, DARK),
            Ellipse([0.66, 0.77], [0.09, 0.09], 0.0, DARK),
            Ellipse([0.85, 0.77], [0.09, 0.09], 0.0, DARK),
        ],
    },
    Picture {
        class: "bird",
        shapes: &[
            Ground([0.5, 0.66, 0.44], [0.36, 0.5, 0.3]),
            Polygon(&[[0.0, 0.82], [1.0, 0.76], [1.0, 0.82], [0.0, 0.88]], BROWN, BROWN),
            Ellipse([0.5, 0.56], [0.26, 0.18], -25.0, [0.5, 0.42, 0.36]),
            Ellipse([0.44, 0.58], [0.2, 0.1], -30.0, [0.34, 0.28, 0.25]),
            Polygon(&[[0.32, 0.62], [0.38, 0.72], [0.08, 0.86], [0.06, 0.8]], [0.3, 0.25, 0.22], DARK),
            Ellipse([0.68, 0.34], [0.12, 0.12], 0.0, [0.55, 0.45, 0.38]),
            Polygon(&[[0.78, 0.31], [0.94, 0.37], [0.78, 0.4]], [0.85, 0.6, 0.2], [0.7, 0.45, 0.1]),
            Ellipse([0.71, 0.32], [0.022, 0.022], 0.0, DARK),
            Ellipse([0.58, 0.62], [0.12, 0.1], -25.0, [0.8, 0.7, 0.6]),
            Polygon(&[[0.48, 0.72], [0.51, 0.72], [0.51, 0.82], [0.48, 0.82]], DARK, DARK),
            Polygon(&[[0.56, 0.72], [0.59, 0.72], [0.59, 0.82], [0.56, 0.82]], DARK, DARK),
        ],
    },
    Picture {
        class: "dog",
        shapes: &[
            Ground(GRASS[0], GRASS[1]),
            Ellipse([0.5, 1.0], [0.36, 0.36], 0.0, [0.72, 0.56, 0.36]),
            Ellipse([0.5, 0.45], [0.27, 0.28], 0.0, [0.78, 0.62, 0.42]),
            Ellipse([0.22, 0.48], [0.09, 0.24], 12.0, [0.5, 0.34, 0.2]),
            Ellipse([0.78, 0.48], [0.09, 0.24], -12.0, [0.5, 0.34, 0.2]),
            Ellipse([0.5, 0.6], [0.16, 0.15], 0.0, [0.88, 0.78, 0.64]),
            Ellipse([0.5, 0.53], [0.07, 0.05], 0.0, DARK),
            Ellipse([0.39, 0.4], [0.04, 0.04], 0.0, DARK),
            Ellipse([0.61, 0.4], [0.04, 0.04], 0.0, DARK),
            Ellipse([0.5, 0.71], [0.05, 0.06], 0.0, [0.8, 0.4, 0.42]),
        ],
    },
    Picture {
        class: "horse",
        shapes: &[
            Ground([0.72, 0.82, 0.92], [0.45, 0.6, 0.3]),
            Polygon(&[[0.0, 0.62], [1.0, 0.62], [1.0, 1.0], [0.0, 1.0]], GRASS[0], GRASS[1]),
            Ellipse([0.45, 0.5], [0.28, 0.15], 0.0, BROWN),
            Polygon(&[[0.6, 0.5], [0.74, 0.16], [0.84, 0.24], [0.72, 0.56]], BROWN, BROWN),
            Ellipse([0.84, 0.23], [0.12, 0.06], 35.0, BROWN),
            Polygon(&[[0.62, 0.4], [0.7, 0.12], [0.75, 0.14], [0.67, 0.44]], DARK, DARK),
            Polygon(&[[0.22, 0.52], [0.3, 0.56], [0.28, 0.92], [0.22, 0.92]], BROWN, DARK),
            Polygon(&[[0.32, 0.56], [0.39, 0.56], [0.37, 0.92], [0.32, 0.92]], BROWN, DARK),
            Polygon(&[[0.56, 0.56], [0.63, 0.56], [0.62, 0.92], [0.57, 0.92]], BROWN, DARK),
            Polygon(&[[0.65, 0.52], [0.72, 0.52], [0.7, 0.92], [0.65, 0.92]], BROWN, DARK),
            Polygon(&[[0.2, 0.44], [0.24, 0.4], [0.12, 0.74], [0.08, 0.72]], DARK, DARK),
        ],
    },
    Picture {
        class: "deer",
        shapes: &[
            Ground([0.35, 0.45, 0.25], [0.45, 0.5, 0.28]),
            Ellipse([0.44, 0.55], [0.26, 0.14], 0.0, [0.62, 0.44, 0.28]),
            Polygon(&[[0.58, 0.55], [0.7, 0.28], [0.78, 0.32], [0.7, 0.6]], [0.62, 0.44, 0.28], [0.6, 0.42, 0.26]),
            Ellipse([0.78, 0.3], [0.1, 0.05], 25.0, [0.64, 0.46, 0.3]),
            Polygon(&[[0.7, 0.28], [0.66, 0.08], [0.68, 0.08], [0.73, 0.26]], [0.3, 0.22, 0.14], [0.3, 0.22, 0.14]),
            Polygon(&[[0.75, 0.27], [0.8, 0.06], [0.82, 0.06], [0.78, 0.27]], [0.3, 0.22, 0.14], [0.3, 0.22, 0.14]),
            Polygon(&[[0.67, 0.16], [0.58, 0.08], [0.6, 0.06], [0.69, 0.13]], [0.3, 0.22, 0.14], [0.3, 0.22, 0.14]),
            Polygon(&[[0.8, 0.15], [0.9, 0.07], [0.91, 0.09], [0.81, 0.19]], [0.3, 0.22, 0.14], [0.3, 0.22, 0.14]),
            Polygon(&[[0.23, 0.58], [0.29, 0.6], [0.27, 0.92], [0.23, 0.92]], [0.55, 0.38, 0.24], BROWN),
            Polygon(&[[0.32, 0.6], [0.38, 0.6], [0.36, 0.92], [0.33, 0.92]], [0.55, 0.38, 0.24], BROWN),
            Polygon(&[[0.54, 0.6], [0.6, 0.6], [0.59, 0.92], [0.55, 0.92]], [0.55, 0.38, 0.24], BROWN),
            Polygon(&[[0.62, 0.58], [0.68, 0.58], [0.67, 0.92], [0.63, 0.92]], [0.55, 0.38, 0.24], BROWN),
        ],
    },
];

impl Picture {
    /// Paints it: `[3, 32, 32]`, black 0, white 1.
    pub(super) fn paint(&self) -> Tensor {
        let fine = SIDE * FINE;
        let place = |index: usize| (index as f64 + 0.5) / fine as f64;
        let points = (0..fine).flat_map(|row| (0..fine).map(move |column| [place(column), place(row)]));
        let colours: Vec<f64> = points.flat_map(|point| self.colour(point)).collect();
        let (side, fine) = (SIDE as i64, FINE as i64);
        let cells = Tensor::from_slice(&colours).view([side, fine, side, fine, 3]);
        cells.mean_dim([1, 3].as_slice(), false, Kind::Float).permute([2, 0, 1]).contiguous()
    }

    /// The colour at a place: of the last shape that covers it.
    fn colour(&self, point: [f64; 2]) -> Colour {
        self.shapes.iter().rev().find_map(|shape| shape.colour(point)).unwrap_or([0.0; 3])
    }
}

impl Shape {
    fn colour(&self, [x, y]: [f64; 2]) -> Option<Colour> {
        match self {
            Ground(top, bottom) => Some(mixed(*top, *bottom, y)),
            Ellipse([cx, cy], [a, b], turn, colour) => {
                let (sine, cosine) = turn.to_radians().sin_cos();
                let (dx, dy) = (x - cx, y - cy);
                let (along, across) = ((cosine * dx + sine * dy) / a, (cosine * dy - sine * dx) / b);
                let square = along * along + across * across;
                // Lighter above and left, as things are that light falls on.
                let shade = 1.0 - 0.25 * (0.6 * across + 0.2 * along);
                (square <= 1.0).then(|| colour.map(|part| (part * shade).clamp(0.0, 1.0)))
            }
            Polygon(corners, above, below) => {
                let edges = corners.iter().zip(corners.iter().cycle().skip(1));
                let crossed = |([ax, ay], [bx, by]): &(&[f64; 2], &[f64; 2])| {
                    (*ay > y) != (*by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax
                };
                let inside = edges.filter(crossed).count() % 2 == 1;
                let ends = corners.iter().fold((1.0_f64, 0.0_f64), |(top, end), [_, y]| (top.min(*y), end.max(*y)));
                inside.then(|| mixed(*above, *below, (y - ends.0) / (ends.1 - ends.0).max(1e-9)))
            }
        }
    }
}

/// A colour between two; `share` 0 is the first, 1 the second.
fn mixed(from: Colour, to: Colour, share: f64) -> Colour {
    std::array::from_fn(|part| from[part] + (to[part] - from[part]) * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_differ_and_stay_within_colours() {
        let painted: Vec<Tensor> = PICTURES.iter().map(Picture::paint).collect();
        for (index, (picture, image)) in PICTURES.iter().zip(&painted).enumerate() {
            assert_eq!(image.size(), [3, 32, 32], "{}", picture.class);
            let (least, most) = (image.min().double_value(&[]), image.max().double_value(&[]));
            assert!((0.0..=1.0).contains(&least) && (0.0..=1.0).contains(&most), "{}", picture.class);
            let nearest =
                painted[..index].iter().map(|other| (image - other).abs().mean(Kind::Double).double_value(&[]));
            assert!(nearest.fold(f64::INFINITY, f64::min) > 0.02, "{}", picture.class);
        }
    }
}
