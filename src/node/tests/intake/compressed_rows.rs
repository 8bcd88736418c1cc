//! Row I10: JPEG and PNG.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use proptest::prelude::*;
use thalweg_node::intake::{Cause, CompressedMessage, Decoded, ImageConfig, ImageReader, Refusal, Stamp};

use crate::messages::image_spec;

const SIDE: u32 = 16;

/// Rows from dark to bright, downwards.
fn ramp(samples: usize) -> Vec<u8> {
    (0..SIDE * SIDE).flat_map(|place| vec![(place / SIDE * 16) as u8; samples]).collect()
}

fn jpeg() -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
    encoder.write_image(&ramp(3), SIDE, SIDE, ExtendedColorType::Rgb8).expect("encodes");
    bytes
}

fn png(data: &[u8], colour: ExtendedColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes).write_image(data, SIDE, SIDE, colour).expect("encodes");
    bytes
}

fn read_with(config: ImageConfig, shape: [i64; 3], format: &str, data: &[u8]) -> Result<Decoded, Refusal> {
    let message = CompressedMessage { stamp: Stamp::default(), frame_id: "camera", format, data };
    ImageReader::new(image_spec(shape[0], shape[1], shape[2]), config).read_compressed(&message, None)
}

fn read(data: &[u8]) -> Result<Decoded, Refusal> {
    read_with(ImageConfig::default(), [1, 4, 1], "jpeg", data)
}

fn refused(data: &[u8], cause: Cause, text: &str) {
    let refusal = read(data).expect_err("refused");
    assert_eq!(refusal.cause, cause, "{refusal}");
    assert!(refusal.text.contains(text), "{refusal}");
}

/// The means of the ramp's quarters, darkest first.
fn is_ramp(decoded: &Decoded) -> bool {
    let expected = [0.0941, 0.3451, 0.5961, 0.8471];
    decoded.values.iter().zip(expected).all(|(got, expected): (&f32, f32)| (got - expected).abs() < 0.02)
}

#[test]
fn i10_content_decides_and_not_the_format() {
    for format in ["jpeg", "png", "rgb8; jpeg compressed bgr8", "", "nonsense"] {
        for data in [jpeg(), png(&ramp(3), ExtendedColorType::Rgb8)] {
            let shape = [1, 4, 1];
            let decoded = read_with(ImageConfig::default(), shape, format, &data).expect(format);
            assert!(is_ramp(&decoded), "{format}: {decoded:?}");
        }
    }
    refused(b"GIF89a", Cause::BadImage, "got 6 B that begin with [47 49 46 38], format 'jpeg'; expected a JPEG or PNG");
    refused(b"", Cause::BadImage, "got 0 B");
}

#[test]
fn i10_gray_16_bit_and_alpha_are_read() {
    let wide = |samples: usize| ramp(samples).iter().flat_map(|byte| (u16::from(*byte) * 257).to_ne_bytes()).collect();
    let wide: [Vec<u8>; 4] = [1, 2, 3, 4].map(wide);
    assert!(is_ramp(&read(&png(&ramp(1), ExtendedColorType::L8)).expect("gray")));
    assert!(is_ramp(&read(&png(&wide[0], ExtendedColorType::L16)).expect("gray")));
    assert!(is_ramp(&read(&png(&wide[2], ExtendedColorType::Rgb16)).expect("colour")));
    // Alpha is the ramp itself: what is dark is transparent.
    for (data, colour) in [
        (ramp(2), ExtendedColorType::La8),
        (ramp(4), ExtendedColorType::Rgba8),
        (wide[1].clone(), ExtendedColorType::La16),
        (wide[3].clone(), ExtendedColorType::Rgba16),
    ] {
        let decoded = read(&png(&data, colour)).expect("with alpha");
        let is_seen: Vec<_> = decoded.values.iter().map(|value| !value.is_nan()).collect();
        assert_eq!(is_seen, [false, false, true, true], "{colour:?}");
    }
}

#[test]
fn i10_what_is_cut_off_is_refused() {
    for (whole, kind) in [(jpeg(), "JPEG"), (png(&ramp(3), ExtendedColorType::Rgb8), "PNG")] {
        for length in [10, 40, whole.len() / 2, whole.len() * 9 / 10] {
            refused(&whole[..length], Cause::BadImage, kind);
        }
    }
    let mut padded = jpeg();
    padded.extend([0; 100]);
    assert!(is_ramp(&read(&padded).expect("cameras pad their buffers")));
}

#[test]
fn i10_sizes_are_judged_before_anything_is_decoded() {
    let mut bomb = Vec::new();
    let mut writer = png::Encoder::new(&mut bomb, 60_000, 60_000).write_header().expect("a header");
    writer.write_chunk(png::chunk::IDAT, &[0x78, 0x9C]).expect("the beginning of much");
    drop(writer);
    refused(&bomb, Cause::TooManyPixels, "60000 x 60000 pixels; expected at most 16777216 in all (input.max_pixels)");
    let config = ImageConfig { max_pixels: 255, ..ImageConfig::default() };
    for data in [jpeg(), png(&ramp(3), ExtendedColorType::Rgb8)] {
        let refusal = read_with(config, [1, 1, 1], "", &data).expect_err("refused");
        assert_eq!(refusal.cause, Cause::TooManyPixels);
    }
}

#[test]
fn i10_endless_scans_are_refused() {
    let mut scans = jpeg();
    let end = scans.len() - 2;
    scans.splice(end..end, [0xFF, 0xDA].repeat(200));
    refused(&scans, Cause::BadImage, "got a JPEG of 201 scans; expected at most 100");
}

#[test]
fn i10_four_inks_are_refused() {
    let mut inks = jpeg();
    let frame = inks.windows(2).position(|pair| pair == [0xFF, 0xC0]).expect("a baseline JPEG");
    inks[frame + 9] = 4;
    refused(&inks, Cause::BadImage, "CMYK");
}

/// An APP1 segment with one TIFF entry: orientation.
fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let tiff =
        [b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".as_slice(), &[orientation, 0, 0, 0, 0, 0, 0]]
            .concat();
    let length = u16::try_from(tiff.len() + 2).expect("short").to_be_bytes();
    [&jpeg[..2], &[0xFF, 0xE1], &length, &tiff, &jpeg[2..]].concat()
}

#[test]
fn i10_an_orientation_is_followed() {
    let turned = with_orientation(&jpeg(), 3);
    let mut decoded = read(&turned).expect("upside down");
    decoded.values.reverse();
    assert!(is_ramp(&decoded), "{decoded:?}");
    let sideways = with_orientation(&jpeg(), 6);
    let decoded = read_with(ImageConfig::default(), [1, 1, 4], "", &sideways).expect("sideways");
    assert!(is_ramp(&Decoded { values: decoded.values.into_iter().rev().collect(), ..decoded }));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn i10_any_damage_is_refused_or_gives_brightness(
        which in 0..3_usize, damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(), is_cut in any::<bool>(),
    ) {
        let mut data = [jpeg(), png(&ramp(4), ExtendedColorType::Rgba8), vec![0xFF, 0xD8, 0xFF, 0xE1]][which].clone();
        for (place, byte) in damage {
            let place = place.index(data.len());
            data[place] = byte;
        }
        if is_cut {
            data.truncate(cut.index(data.len()));
        }
        if let Ok(decoded) = read(&data) {
            prop_assert!(decoded.values.iter().all(|value| value.is_nan() || (0.0..=1.0).contains(value)));
        }
    }
}
