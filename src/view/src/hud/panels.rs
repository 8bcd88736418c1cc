//! Images side by side: what was seen, what the best hypothesis makes of it, what the others do.

use std::sync::Arc;

use kiss3d::glamx::Vec2;
use kiss3d::resource::Texture;
use kiss3d::scene::SceneNode2d;
use kiss3d::window::Window;
use thalweg_node::display::ShownAnswer;
use thalweg_task::Pixels;

use super::sheet::Sheet;
use super::{MARGIN, Told};
use crate::palette;

/// Distance between images, logical pixels.
const GAP: f32 = 10.0;
/// Height of a heading.
const HEADING: f32 = 20.0;
/// The most other hypotheses that are shown.
const MOST: usize = 7;

/// One image in the picture; its texture is made anew when the image is another.
struct Panel {
    node: SceneNode2d,
    shown: Option<Arc<Pixels>>,
}

impl Panel {
    fn put(&mut self, image: &Arc<Pixels>, (x, y): (f32, f32), side: f32, scale: f32) {
        if self.shown.as_ref().is_none_or(|shown| !Arc::ptr_eq(shown, image)) {
            self.node.set_texture(texture(image));
            self.shown = Some(Arc::clone(image));
        }
        let (width, height) = fit(image, side);
        let middle = (x + side / 2.0, y + side / 2.0);
        // The sheet's y points down, a texture's up.
        self.node.set_visible(true).set_local_scale(width * scale, -height * scale);
        self.node.set_position(Vec2::new(middle.0 * scale, middle.1 * scale));
    }
}

/// The images of a task that has some.
pub(super) struct Panels {
    group: SceneNode2d,
    panels: Vec<Panel>,
}

impl Panels {
    pub(super) fn new(root: &mut SceneNode2d) -> Self {
        Self { group: root.add_group(), panels: Vec::new() }
    }

    pub(super) fn write(&mut self, sheet: &mut Sheet, window: &mut Window, told: &Told<'_>) {
        let images = told.shown.map_or_else(Vec::new, |shown| list(shown, told.chosen));
        for (index, place) in layout(&images, sheet.size(), told.has_body).into_iter().enumerate() {
            if self.panels.len() == index {
                self.panels.push(Panel { node: self.group.add_rectangle(1.0, 1.0), shown: None });
            }
            let (heading, image) = &images[index];
            let Place { at, side } = place;
            sheet.card((at.0 - 4.0, at.1 - HEADING - 2.0), (side + 8.0, side + HEADING + 6.0));
            sheet.text(window, heading, (at.0, at.1 - HEADING + 1.0), 12.0, palette::FAINT);
            self.panels[index].put(image, at, side, sheet.scale());
        }
        for panel in self.panels.iter_mut().skip(images.len()) {
            panel.node.set_visible(false);
        }
    }
}

/// The images with their headings: seen, chosen, others.
fn list(shown: &ShownAnswer, chosen: usize) -> Vec<(String, &Arc<Pixels>)> {
    let best = if chosen == 0 { "best".to_owned() } else { format!("hypothesis {}", chosen + 1) };
    let seen = shown.image.iter().map(|image| ("observed".to_owned(), image));
    let own = shown.answer.images.get(chosen).into_iter().map(|image| (best.clone(), image));
    let others = shown.answer.images.iter().enumerate().filter(|(rank, _)| *rank != chosen).take(MOST);
    let others = others.map(|(rank, image)| (format!("{}", rank + 1), image));
    let all = seen.chain(own).chain(others);
    all.filter(|(_, image)| image.width > 0 && image.height > 0).collect()
}

/// Where an image is: its top left and the side of the square that it lies in.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    at: (f32, f32),
    side: f32,
}

/// Two large images above a row of smaller ones; beside a body they keep to the right.
fn layout(images: &[(String, &Arc<Pixels>)], (width, height): (f32, f32), has_body: bool) -> Vec<Place> {
    let large = images.len().min(2);
    let small = images.len() - large;
    // The cards of numbers and chart stand at the left.
    let left = if has_body { width * 0.62 } else { 236.0 + 3.0 * MARGIN };
    let (room, top) = (width - left - MARGIN, if has_body { 130.0 } else { 44.0 });
    let fit = |count: usize| (room - GAP * count.saturating_sub(1) as f32) / count.max(1) as f32 - 8.0;
    let bottom = height - 34.0;
    let small_side = if small == 0 { 0.0 } else { fit(small.max(4)).min((bottom - top) * 0.26) };
    let below = if small == 0 { 0.0 } else { small_side + HEADING + 2.0 * GAP };
    let large_side = fit(large).min(bottom - top - HEADING - below).max(16.0);
    let row = |count: usize, side: f32, y: f32| {
        let whole = count as f32 * (side + 8.0) + GAP * count.saturating_sub(1) as f32;
        let first = left + (room - whole).max(0.0) / 2.0 + 4.0;
        (0..count).map(move |index| Place { at: (first + index as f32 * (side + 8.0 + GAP), y), side })
    };
    let first_row = top + HEADING;
    row(large, large_side, first_row).chain(row(small, small_side, first_row + large_side + HEADING + GAP)).collect()
}

/// Width and height of an image in a square.
fn fit(image: &Pixels, side: f32) -> (f32, f32) {
    let (width, height) = (image.width as f32, image.height as f32);
    let longest = width.max(height).max(1.0);
    (side * width / longest, side * height / longest)
}

/// One colour for each pixel; what was not seen is gray.
fn bytes(image: &Pixels) -> Vec<u8> {
    let pixels = image.width as usize * image.height as usize;
    let channels = image.channels as usize;
    let value = |pixel: usize, channel: usize| {
        image.data.get(channel.min(channels.saturating_sub(1)) * pixels + pixel).copied()
    };
    let mut bytes = Vec::with_capacity(4 * pixels);
    for pixel in 0..pixels {
        let colour = [0, 1, 2].map(|channel| value(pixel, channel).unwrap_or(f32::NAN));
        if colour.iter().any(|value| value.is_nan()) {
            bytes.extend(palette::UNSEEN);
        } else {
            bytes.extend(colour.map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8));
        }
        bytes.push(255);
    }
    bytes
}

fn texture(image: &Pixels) -> Arc<Texture> {
    let format = wgpu::TextureFormat::Rgba8UnormSrgb;
    // Pixels stay pixels: what a network paints is not made smoother than it is.
    let (edge, filter) = (wgpu::AddressMode::ClampToEdge, wgpu::FilterMode::Nearest);
    Texture::new(image.width, image.height, &bytes(image), format, edge, filter, false, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(width: u32, height: u32) -> Arc<Pixels> {
        Arc::new(Pixels { channels: 1, height, width, data: vec![0.5; (width * height) as usize] })
    }

    #[test]
    fn unseen_pixels_are_gray_and_one_channel_is_three() {
        let image = Pixels { channels: 1, height: 1, width: 2, data: vec![1.0, f32::NAN] };
        let [red, green, blue] = palette::UNSEEN;
        assert_eq!(bytes(&image), [255, 255, 255, 255, red, green, blue, 255]);
        let colour = Pixels { channels: 3, height: 1, width: 1, data: vec![0.0, 0.5, 2.0] };
        assert_eq!(bytes(&colour), [0, 128, 255, 255]);
    }

    #[test]
    fn images_lie_within_the_picture_and_apart() {
        let one = image(4, 2);
        for count in 1..=9 {
            let images: Vec<_> = (0..count).map(|index| (index.to_string(), &one)).collect();
            for size in [(960.0, 540.0), (640.0, 360.0), (1920.0, 1080.0)] {
                for has_body in [false, true] {
                    let places = layout(&images, size, has_body);
                    assert_eq!(places.len(), count);
                    for (index, place) in places.iter().enumerate() {
                        assert!(place.side >= 16.0 && place.at.0 + place.side <= size.0, "{count} {size:?} {place:?}");
                        assert!(place.at.1 + place.side <= size.1, "{count} {size:?} {place:?}");
                        for other in &places[..index] {
                            let apart_x = (place.at.0 - other.at.0).abs() >= place.side.min(other.side);
                            let apart_y = (place.at.1 - other.at.1).abs() >= place.side.min(other.side);
                            assert!(apart_x || apart_y, "{place:?} {other:?}");
                        }
                    }
                }
            }
        }
        assert_eq!(fit(&one, 100.0), (100.0, 50.0));
    }
}
