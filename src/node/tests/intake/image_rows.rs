//! Rows I1 to I9.

use thalweg_node::intake::{Cause, Decoded, Fit, ImageConfig, ImageReader, Refusal, decode_image};

use crate::messages::{Picture, image_spec};

fn decode(picture: &Picture, shape: [i64; 3]) -> Result<Vec<f32>, Refusal> {
    decode_image(&picture.message(), &image_spec(shape[0], shape[1], shape[2])).map(|decoded| decoded.values)
}

fn refused(picture: &Picture) -> Refusal {
    decode(picture, [1, 2, 2]).expect_err("refused")
}

/// Equal within rounding, NaN to NaN.
fn assert_near(got: &[f32], expected: &[f32]) {
    let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-6 || (a.is_nan() && b.is_nan());
    assert!(got.len() == expected.len() && got.iter().zip(expected).all(near), "got {got:?}, expected {expected:?}");
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn words(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[test]
fn i1_a_step_shorter_than_a_row_is_refused() {
    let mut picture = Picture::new("16UC1", 2, 1280, &[0; 2 * 1280 * 2]);
    picture.step = 1280;
    let refusal = refused(&picture);
    assert_eq!(refusal.cause, Cause::BadStep);
    assert!(refusal.text.contains("step 1280 < width 1280 x 2 B (16UC1)"), "{refusal}");
}

#[test]
fn i2_padded_rows_are_strided() {
    let picture = Picture::new("mono8", 2, 2, &[0, 51, 99, 99, 102, 255, 99, 99]);
    assert_near(&decode(&picture, [1, 2, 2]).expect("padded"), &[0.0, 0.2, 0.4, 1.0]);
}

#[test]
fn i3_data_of_another_length_is_refused() {
    let mut picture = Picture::new("mono8", 2, 2, &[0, 51, 99, 99, 102, 255, 99, 99]);
    for bytes in [0, 3, 5, 7, 9, 16] {
        picture.data.resize(bytes, 0);
        let refusal = refused(&picture);
        assert_eq!(refusal.cause, Cause::BadSize, "{bytes}");
        assert!(
            refusal.text.contains(&format!("got {bytes} B of data; expected step 4 x height 2 = 8 B")),
            "{refusal}"
        );
    }
}

#[test]
fn i3_the_last_row_needs_no_padding() {
    let mut picture = Picture::new("mono8", 2, 2, &[0, 51, 99, 99, 102, 255, 99, 99]);
    picture.data.truncate(6);
    assert_near(&decode(&picture, [1, 2, 2]).expect("whole"), &[0.0, 0.2, 0.4, 1.0]);
}

#[test]
fn i4_sizes_of_nothing_and_of_everything_are_refused() {
    for (height, width) in [(0, 2), (2, 0), (0, 0)] {
        assert_eq!(refused(&Picture::new("mono8", height, width, &[])).cause, Cause::EmptyImage);
    }
    let mut huge = Picture::new("32FC3", u32::MAX, u32::MAX, &[0; 64]);
    for (step, cause) in [(u32::MAX, Cause::BadStep), (0, Cause::BadStep)] {
        huge.step = step;
        assert_eq!(refused(&huge).cause, cause);
    }
    let mut tall = Picture::new("mono8", u32::MAX, u32::MAX, &[0; 64]);
    tall.step = u32::MAX;
    assert_eq!(refused(&tall).cause, Cause::BadSize);
}

#[test]
fn i5_unknown_encodings_are_refused_with_those_that_are_known() {
    for encoding in
        ["MONO8", "bayer_rggb", "YUYV", "yuv444", "nv24", "", "mono8\n", "64FC1", "8UC2", "8 bit gray with alpha"]
    {
        let refusal = refused(&Picture::new(encoding, 2, 2, &[0; 4]));
        assert_eq!(refusal.cause, Cause::UnknownEncoding);
        assert!(refusal.text.contains("rgba8") && !refusal.text.contains('\n'), "{refusal}");
    }
}

#[test]
fn i5_colours_are_read_in_their_order() {
    for (encoding, pixel) in [
        ("rgb8", vec![255, 51, 0]),
        ("bgr8", vec![0, 51, 255]),
        ("rgba8", vec![255, 51, 0, 255]),
        ("bgra8", vec![0, 51, 255, 255]),
        ("rgb16", words(&[65535, 13107, 0])),
        ("bgr16", words(&[0, 13107, 65535])),
        ("rgba16", words(&[65535, 13107, 0, 65535])),
        ("bgra16", words(&[0, 13107, 65535, 65535])),
        ("8UC3", vec![255, 51, 0]),
        ("32FC3", floats(&[1.0, 0.2, 0.0])),
    ] {
        let picture = Picture::new(encoding, 1, 1, &pixel);
        assert_near(&decode(&picture, [3, 1, 1]).expect(encoding), &[1.0, 0.2, 0.0]);
        assert_near(&decode(&picture, [1, 1, 1]).expect(encoding), &[0.299 + 0.2 * 0.587]);
    }
}

#[test]
fn i5_gray_becomes_three_equal_colours() {
    for (encoding, pixel) in [
        ("mono8", vec![51]),
        ("8UC1", vec![51]),
        ("mono16", 13107_u16.to_le_bytes().to_vec()),
        ("16UC1", 13107_u16.to_le_bytes().to_vec()),
        ("32FC1", floats(&[0.2])),
    ] {
        let picture = Picture::new(encoding, 1, 1, &pixel);
        assert_near(&decode(&picture, [3, 1, 1]).expect(encoding), &[0.2; 3]);
    }
}

#[test]
fn i5_channels_that_no_encoding_gives_are_refused() {
    let picture = Picture::new("rgba8", 1, 1, &[1, 2, 3, 4]);
    for shape in [[4, 1, 1], [2, 1, 1], [0, 1, 1], [-1, 1, 1], [1, 0, 1]] {
        assert_eq!(decode(&picture, shape).expect_err("refused").cause, Cause::WrongChannels);
    }
}

#[test]
fn i6_big_endian_samples_are_swapped() {
    let mut picture = Picture::new("mono16", 1, 1, &13107_u16.to_be_bytes());
    picture.is_bigendian = 1;
    assert_near(&decode(&picture, [1, 1, 1]).expect("16 bit"), &[0.2]);
    let mut picture = Picture::new("32FC1", 1, 1, &0.2_f32.to_be_bytes());
    picture.is_bigendian = 1;
    assert_near(&decode(&picture, [1, 1, 1]).expect("32 bit"), &[0.2]);
}

#[test]
fn i7_pixels_that_are_not_finite_are_unobserved() {
    let picture = Picture::new("32FC1", 2, 2, &floats(&[0.1, f32::NAN, f32::INFINITY, f32::NEG_INFINITY]));
    let decoded = decode_image(&picture.message(), &image_spec(1, 2, 2)).expect("not an error");
    assert_near(&decoded.values, &[0.1, f32::NAN, f32::NAN, f32::NAN]);
    assert_eq!(decoded.notices, []);
}

#[test]
fn i7_unobserved_pixels_do_not_spread() {
    let mut values = [0.5; 64];
    values[9] = f32::NAN;
    let picture = Picture::new("32FC1", 8, 8, &floats(&values));
    assert_near(&decode(&picture, [1, 4, 4]).expect("smaller"), &[0.5; 16]);
    assert_near(&decode(&picture, [1, 3, 3]).expect("smaller"), &[0.5; 9]);
    let larger = decode(&picture, [1, 16, 16]).expect("larger");
    let hidden: Vec<usize> = (0..256).filter(|pixel| larger[*pixel].is_nan()).collect();
    assert_eq!(hidden, [34, 35, 50, 51], "exactly the pixels that lie within the hidden one");
    let same = decode(&picture, [1, 8, 8]).expect("same");
    assert_eq!((0..64).filter(|pixel| same[*pixel].is_nan()).collect::<Vec<_>>(), [9]);
}

#[test]
fn i7_gray_of_a_colour_that_is_unobserved_is_unobserved() {
    let picture = Picture::new("32FC3", 1, 2, &floats(&[0.5, f32::NAN, 0.5, 0.5, 0.5, 0.5]));
    assert_near(&decode(&picture, [1, 1, 2]).expect("gray"), &[f32::NAN, 0.5]);
    assert_near(&decode(&picture, [3, 1, 2]).expect("colours"), &[0.5, 0.5, f32::NAN, 0.5, 0.5, 0.5]);
}

#[test]
fn i7_an_area_of_which_most_is_unobserved_is_unobserved() {
    let nan = f32::NAN;
    let picture = Picture::new("32FC1", 2, 4, &floats(&[nan, 0.3, 0.2, nan, nan, nan, nan, 0.4]));
    assert_near(&decode(&picture, [1, 1, 2]).expect("halved"), &[nan, 0.3]);
}

#[test]
fn i7_values_that_are_no_brightness_are_unobserved_and_told() {
    let picture = Picture::new("32FC1", 1, 3, &floats(&[1.0005, 3.5, -0.0005]));
    let Decoded { values, notices, .. } = decode_image(&picture.message(), &image_spec(1, 1, 3)).expect("used");
    assert_near(&values, &[1.0, f32::NAN, 0.0]);
    assert_eq!((notices.len(), notices[0].cause), (1, Cause::OutOfLimits));
    assert!(notices[0].text.contains("got brightness 3.5"), "{}", notices[0]);
    let overshoot = Picture::new("32FC1", 2, 2, &floats(&[1.0005, 0.0, 1.0005, 0.0]));
    assert_near(&decode(&overshoot, [1, 1, 1]).expect("clamped before it is averaged"), &[0.5]);
}

#[test]
fn i8_a_constant_image_stays_constant() {
    for level in [0, 128, 255] {
        let picture = Picture::new("rgb8", 5, 7, &[level; 105]);
        for shape in [[3, 5, 7], [3, 2, 3], [1, 9, 11], [1, 9, 3], [1, 1, 1]] {
            let expected = vec![f32::from(level) / 255.0; shape.iter().product::<i64>() as usize];
            let got = decode(&picture, shape).expect("constant");
            let near = got.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5 && *a <= 1.0);
            assert!(near && got.len() == expected.len(), "{level} at {shape:?}: {got:?}");
        }
    }
}

#[test]
fn i9_images_of_any_size_are_brought_to_the_size_of_the_task() {
    let picture = Picture::new("mono8", 2, 4, &[0, 51, 102, 153, 51, 102, 153, 204]);
    assert_near(&decode(&picture, [1, 1, 2]).expect("areas"), &[0.2, 0.6]);
    let picture = Picture::new("mono8", 1, 2, &[0, 255]);
    let stretched = |shape: [i64; 3]| {
        let config = ImageConfig { fit: Fit::Stretch, ..ImageConfig::default() };
        let reader = ImageReader::new(image_spec(shape[0], shape[1], shape[2]), config);
        reader.read(&picture.message(), None).expect("stretched").values
    };
    assert_near(&stretched([1, 1, 4]), &[0.0, 0.25, 0.75, 1.0]);
    assert_near(&stretched([1, 2, 1]), &[0.5, 0.5]);
}

#[test]
fn i9_the_middle_of_another_shape_is_observed() {
    let wide = Picture::new("mono8", 2, 4, &[255, 0, 51, 255, 255, 102, 153, 255]);
    assert_near(&decode(&wide, [1, 2, 2]).expect("columns"), &[0.0, 0.2, 0.4, 0.6]);
    let tall = Picture::new("mono8", 4, 1, &[255, 51, 102, 255]);
    assert_near(&decode(&tall, [1, 2, 1]).expect("rows"), &[0.2, 0.4]);
}
