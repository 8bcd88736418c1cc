//! Images that are found, as messages: hypotheses, and where they differ.

use std::sync::Arc;

use r2r::sensor_msgs::msg::Image;
use r2r::std_msgs::msg::Header;
use r2r::{Node, Publisher, QosProfile};

use super::{OutputQos, is_heard};
use thalweg_engine::Answer;
use thalweg_task::Pixels;

/// The publishers of a task that renders images.
#[derive(Debug)]
pub(super) struct ImagePublishers {
    reconstruction: Publisher<Image>,
    hypotheses: Vec<Publisher<Image>>,
    uncertainty: Publisher<Image>,
}

impl ImagePublishers {
    pub(super) fn create(node: &mut Node, qos: &OutputQos) -> r2r::Result<Self> {
        Ok(Self {
            reconstruction: node.create_publisher("~/reconstruction/image", qos("~/reconstruction/image"))?,
            hypotheses: Vec::new(),
            uncertainty: node.create_publisher("~/uncertainty", qos("~/uncertainty"))?,
        })
    }

    /// Advertises as many hypotheses as there are now.
    pub(super) fn resize(&mut self, node: &mut Node, hypotheses: usize, qos: &QosProfile) -> r2r::Result<()> {
        while self.hypotheses.len() > hypotheses {
            if let Some(publisher) = self.hypotheses.pop() {
                node.destroy_publisher(publisher);
            }
        }
        for rank in self.hypotheses.len()..hypotheses {
            self.hypotheses.push(node.create_publisher(&format!("~/hypotheses/h{rank}/image"), qos.clone())?);
        }
        Ok(())
    }

    pub(super) fn destroy(self, node: &mut Node) {
        for publisher in self.hypotheses.into_iter().chain([self.reconstruction, self.uncertainty]) {
            node.destroy_publisher(publisher);
        }
    }

    /// Publishes what somebody listens to; nothing else is built.
    ///
    /// `places`: `[K]`, the rank of what each topic of a hypothesis gets; none where they get nothing.
    ///
    /// # Errors
    /// What rcl says to the first message that could not go out; the others were tried.
    pub(super) fn publish(&self, answer: &Answer, header: &Header, places: Option<&Vec<usize>>) -> r2r::Result<()> {
        let mut result = Ok(());
        let best = std::iter::once(&self.reconstruction).zip(&answer.images);
        let others = self.hypotheses.iter().zip(places.into_iter().flatten());
        let others = others.filter_map(|(publisher, &rank)| Some((publisher, answer.images.get(rank)?)));
        for (publisher, image) in best.chain(others) {
            if is_heard(publisher) {
                result = result.and(publisher.publish(&image_message(image, header)));
            }
        }
        if is_heard(&self.uncertainty)
            && let Some(image) = uncertainty(&answer.images, &answer.weights)
        {
            result = result.and(self.uncertainty.publish(&brightness_message(&image, header)));
        }
        result
    }
}

/// `rgb8`, or `mono8` where there is one channel.
fn image_message(image: &Pixels, header: &Header) -> Image {
    message(image, header, (image.encoding(), image.channels), image.to_bytes())
}

/// `32FC1`, one channel.
fn brightness_message(image: &Pixels, header: &Header) -> Image {
    let data = image.data.iter().flat_map(|value| value.to_le_bytes()).collect();
    message(image, header, ("32FC1", size_of::<f32>() as u32), data)
}

fn message(image: &Pixels, header: &Header, (encoding, pixel): (&str, u32), data: Vec<u8>) -> Image {
    Image {
        header: header.clone(),
        height: image.height,
        width: image.width,
        encoding: encoding.to_owned(),
        is_bigendian: 0,
        step: image.width * pixel,
        data,
    }
}

/// Standard deviation over the hypotheses by their weights, pixel by pixel, black 0, white 1: the root of the mean
/// variance of the channels. Zero where all agree, at most 0.5.
///
/// `weights`: `[K]`, sums to one.
fn uncertainty(images: &[Arc<Pixels>], weights: &[f64]) -> Option<Pixels> {
    let first = images.first()?;
    let (channels, pixels) = (first.channels as usize, first.height as usize * first.width as usize);
    let mut variance = vec![0.0_f32; pixels];
    for channel in 0..channels {
        for (pixel, variance) in variance.iter_mut().enumerate() {
            let values = || images.iter().map(|image| image.data.get(channel * pixels + pixel).copied().unwrap_or(0.0));
            let values = || values().zip(weights.iter().map(|weight| *weight as f32));
            let mean: f32 = values().map(|(value, weight)| weight * value).sum();
            *variance += values().map(|(value, weight)| weight * (value - mean).powi(2)).sum::<f32>();
        }
    }
    let finite = |value: f32| if value.is_finite() { value } else { 0.0 };
    let data = variance.into_iter().map(|variance| finite((variance / channels.max(1) as f32).sqrt())).collect();
    let Pixels { height, width, .. } = **first;
    Some(Pixels { channels: 1, height, width, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(data: &[f32]) -> Pixels {
        Pixels { channels: 3, height: 1, width: 2, data: data.to_vec() }
    }

    #[test]
    fn channels_are_interleaved_and_clamped() {
        let header = Header { frame_id: "camera".to_owned(), ..Header::default() };
        let message = image_message(&image(&[0.0, 1.0, 0.2, 1.5, -1.0, f32::NAN]), &header);
        assert_eq!(message.data, [0, 51, 0, 255, 255, 0]);
        assert_eq!((message.encoding.as_str(), message.step, message.height, message.width), ("rgb8", 6, 1, 2));
        assert_eq!(message.header.frame_id, "camera");
        let gray = Pixels { channels: 1, height: 1, width: 1, data: vec![0.5] };
        let message = image_message(&gray, &header);
        assert_eq!((message.encoding.as_str(), message.step, message.data), ("mono8", 1, vec![128]));
    }

    #[test]
    fn hypotheses_differ_by_their_weighted_deviation() {
        let images = [image(&[0.0, 0.5, 0.0, 0.5, 0.0, 0.5]), image(&[1.0, 0.5, 0.0, 0.5, 0.0, 0.5])].map(Arc::new);
        let found = uncertainty(&images, &[0.75, 0.25]).expect("two hypotheses");
        // One channel of three differs: sqrt(0.75 * 0.25 / 3).
        assert!((found.data[0] - 0.25).abs() < 1e-6 && found.data[1] == 0.0, "{found:?}");
        assert_eq!((found.channels, found.height, found.width), (1, 1, 2));
        let broken =
            uncertainty(&[image(&[f32::NAN; 6]), image(&[f32::INFINITY; 6])].map(Arc::new), &[0.5, 0.5]).expect("two");
        assert_eq!(broken.data, [0.0, 0.0], "no number but a finite one is ever published");
        assert_eq!(uncertainty(&[], &[]), None);
    }
}
