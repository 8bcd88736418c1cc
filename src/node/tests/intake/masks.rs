//! Pixels that were not seen: alpha, masks, a colour that stands for nothing.

use thalweg_node::intake::{Cause, ColourKey, Decoded, Fit, ImageConfig, ImageReader, Mask, MaskMarks};

use crate::messages::{Picture, image_spec};

const KEY: ColourKey = ColourKey { rgb: [0, 255, 0], tolerance: 8 };

fn read(config: ImageConfig, shape: [i64; 3], picture: &Picture, mask: Option<&Picture>) -> Decoded {
    let mask = mask.map(Picture::message);
    let mask = mask.as_ref().map(|mask| Mask::of(mask).expect("a mask"));
    let reader = ImageReader::new(image_spec(shape[0], shape[1], shape[2]), config);
    reader.read(&picture.message(), mask.as_ref()).expect("an image")
}

/// Hundredths, and -1 where unobserved.
fn rounded(decoded: &Decoded) -> Vec<i32> {
    decoded.values.iter().map(|value| if value.is_nan() { -1 } else { (value * 100.0).round() as i32 }).collect()
}

#[test]
fn transparent_pixels_are_unobserved() {
    for encoding in ["rgba8", "bgra8"] {
        let picture =
            Picture::new(encoding, 1, 4, &[51, 51, 51, 255, 102, 102, 102, 0, 51, 51, 51, 128, 51, 51, 51, 127]);
        assert_eq!(rounded(&read(ImageConfig::default(), [1, 1, 4], &picture, None)), [20, -1, 20, -1], "{encoding}");
        let opaque = ImageConfig { alpha: false, ..ImageConfig::default() };
        assert_eq!(rounded(&read(opaque, [1, 1, 4], &picture, None)), [20, 40, 20, 20], "{encoding}");
    }
}

#[test]
fn what_is_half_transparent_counts_half() {
    // Two opaque pixels of 0.2 and two half transparent ones of 0.8: (0.4 + 0.8) / 3.
    let picture = Picture::new(
        "rgba16",
        2,
        2,
        &[
            13107_u16, 13107, 13107, 65535, 52428, 52428, 52428, 32768, 13107, 13107, 13107, 65535, 52428, 52428,
            52428, 32768,
        ]
        .map(u16::to_le_bytes)
        .concat(),
    );
    assert_eq!(rounded(&read(ImageConfig::default(), [3, 1, 1], &picture, None)), [40; 3]);
}

#[test]
fn a_mask_hides_before_pixels_are_mixed() {
    // What is hidden is white; not a trace of it may be left.
    let picture = Picture::new("mono8", 4, 4, &[51, 51, 255, 255, 51, 255, 255, 255, 51, 51, 51, 51, 51, 51, 51, 51]);
    let mask = Picture::new("mono8", 4, 4, &[255, 9, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
    let shape = [1, 2, 2];
    assert_eq!(rounded(&read(ImageConfig::default(), shape, &picture, Some(&mask))), [20, -1, 20, 20]);
    let hidden = ImageConfig { marks: MaskMarks::Hidden, ..ImageConfig::default() };
    assert_eq!(rounded(&read(hidden, shape, &picture, Some(&mask))), [-1, 100, -1, -1]);
}

#[test]
fn a_mask_of_another_size_lies_over_the_whole_image() {
    let picture = Picture::new("rgb8", 4, 8, &[51; 96]);
    let mask = Picture::new("16UC1", 1, 4, &[0, 0, 0, 1, 1, 0, 0, 0]);
    let stretched = ImageConfig { fit: Fit::Stretch, ..ImageConfig::default() };
    assert_eq!(rounded(&read(stretched, [1, 1, 4], &picture, Some(&mask))), [-1, 20, 20, -1]);
    // Columns 2 to 5 are the middle; there the mask sees all.
    assert_eq!(rounded(&read(ImageConfig::default(), [1, 2, 2], &picture, Some(&mask))), [20; 4]);
}

#[test]
fn masks_are_whole_numbers_of_one_channel() {
    for encoding in ["rgb8", "32FC1", "MONO8", ""] {
        let refusal = Mask::of(&Picture::new(encoding, 1, 1, &[0; 12]).message()).expect_err("refused");
        assert_eq!(refusal.cause, Cause::UnknownEncoding);
        assert!(refusal.text.contains("mono8, mono16, 8UC1, 16UC1"), "{refusal}");
    }
    let short = Picture { step: 1, ..Picture::new("mono8", 2, 2, &[0; 4]) };
    assert_eq!(Mask::of(&short.message()).expect_err("refused").cause, Cause::BadStep);
}

#[test]
fn pixels_of_the_colour_key_are_unobserved() {
    let config = ImageConfig { key: Some(KEY), ..ImageConfig::default() };
    let picture = Picture::new("bgr8", 1, 4, &[0, 255, 0, 8, 247, 8, 9, 255, 0, 0, 0, 255]);
    let decoded = read(config, [3, 1, 4], &picture, None);
    assert_eq!(rounded(&decoded), [-1, -1, 0, 100, -1, -1, 100, 0, -1, -1, 4, 0]);
    let black = ImageConfig { key: Some(ColourKey { rgb: [0; 3], tolerance: 0 }), ..config };
    let gray = Picture::new("32FC1", 1, 2, &[0.0_f32, 0.004].map(f32::to_le_bytes).concat());
    assert_eq!(rounded(&read(black, [1, 1, 2], &gray, None)), [-1, 0]);
}

#[test]
fn an_image_of_which_nothing_is_seen_is_told() {
    let picture = Picture::new("rgba8", 1, 2, &[51, 51, 51, 0, 99, 99, 99, 0]);
    let decoded = read(ImageConfig::default(), [1, 1, 2], &picture, None);
    assert_eq!(decoded.notices.iter().map(|notice| notice.cause).collect::<Vec<_>>(), [Cause::NothingSeen]);
}
