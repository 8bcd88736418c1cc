//! An image as plain numbers.

/// An image as the engine sees it: black 0, white 1, NaN unobserved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pixels {
    /// Channels C.
    pub channels: u32,
    /// Height H.
    pub height: u32,
    /// Width W.
    pub width: u32,
    /// `[C, H, W]`.
    pub data: Vec<f32>,
}

impl Pixels {
    /// The samples of each pixel side by side, `[H, W, C]`, black 0, white 255.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let (channels, pixels) = (self.channels as usize, self.height as usize * self.width as usize);
        let samples = (0..pixels).flat_map(|pixel| (0..channels).map(move |channel| channel * pixels + pixel));
        // What is no number becomes black.
        let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
        samples.map(|place| byte(self.data.get(place).copied().unwrap_or(0.0))).collect()
    }

    /// The encoding of [`Pixels::to_bytes`], as `sensor_msgs/Image` names it.
    #[must_use]
    pub fn encoding(&self) -> &'static str {
        if self.channels == 1 { "mono8" } else { "rgb8" }
    }
}
