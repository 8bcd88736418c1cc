//! Pictures for people: curves, bars, errors over time and strips of poses, as PNG and SVG.

mod axis;
mod bars;
mod curves;
mod error_over_time;
mod filmstrip;
mod heat_map;
mod image_grid;
mod picture;

pub use bars::{Bar, BarGroup, Bars};
pub use curves::{Curve, Curves};
pub use error_over_time::{ErrorOverTime, ErrorPhase, ErrorSeries};
pub use filmstrip::{Filmstrip, FilmstripRow, Moment};
pub use heat_map::{HeatMaps, Panel};
pub(crate) use image_grid::colors;
pub use image_grid::{ImageGrid, ImageRow};
pub use picture::{Anchor, Picture, PictureError, Point, Stroke};

/// The colours of Okabe & Ito (2008), which all common forms of colour vision tell apart, and greys.
pub mod palette {
    use plotters::style::RGBColor;

    /// Blue.
    pub const BLUE: RGBColor = RGBColor(0, 114, 178);
    /// Vermilion.
    pub const VERMILION: RGBColor = RGBColor(213, 94, 0);
    /// Bluish green.
    pub const GREEN: RGBColor = RGBColor(0, 158, 115);
    /// Orange.
    pub const ORANGE: RGBColor = RGBColor(230, 159, 0);
    /// Sky blue.
    pub const SKY: RGBColor = RGBColor(86, 180, 233);
    /// Reddish purple.
    pub const PURPLE: RGBColor = RGBColor(204, 121, 167);
    /// Text.
    pub const INK: RGBColor = RGBColor(40, 40, 40);
    /// Secondary text.
    pub const GREY: RGBColor = RGBColor(105, 105, 105);
    /// What lies behind.
    pub const PALE: RGBColor = RGBColor(200, 200, 200);
    /// Paper.
    pub const WHITE: RGBColor = RGBColor(255, 255, 255);
}
