//! Pictures for people: errors over time and strips of poses, as PNG and SVG.

mod axis;
mod error_over_time;
mod filmstrip;
mod picture;

pub use error_over_time::{ErrorOverTime, ErrorPhase, ErrorSeries};
pub use filmstrip::{Filmstrip, FilmstripRow, Moment};
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
    /// Text.
    pub const INK: RGBColor = RGBColor(40, 40, 40);
    /// Secondary text.
    pub const GREY: RGBColor = RGBColor(105, 105, 105);
    /// What lies behind.
    pub const PALE: RGBColor = RGBColor(200, 200, 200);
    /// Paper.
    pub const WHITE: RGBColor = RGBColor(255, 255, 255);
}
