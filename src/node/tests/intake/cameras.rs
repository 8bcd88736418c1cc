//! Rows I1 to I5 and I10 for what cameras give out of the box: YUV, Bayer, JPEG without tables, depth.

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};
use proptest::prelude::*;
use thalweg_node::intake::{
    Cause, CompressedMessage, Decoded, Fit, ImageConfig, ImageReader, Refusal, Stamp, decode_image,
};

use crate::messages::{Picture, image_spec};

const PAIRS: [&str; 4] = ["yuv422", "uyvy", "yuv422_yuy2", "yuyv"];
const PLANES: [&str; 2] = ["nv12", "nv21"];
const MOSAICS: [&str; 4] = ["rggb", "bggr", "gbrg", "grbg"];

/// Bytes of a row and rows of bytes.
fn layout(encoding: &str, height: usize, width: usize) -> [usize; 2] {
    match encoding {
        _ if PAIRS.contains(&encoding) => [width.div_ceil(2) * 4, height],
        _ if PLANES.contains(&encoding) => [width.div_ceil(2) * 2, height + height.div_ceil(2)],
        _ => [width * if encoding.ends_with("16") { 2 } else { 1 }, height],
    }
}

fn picture(encoding: &str, [height, width]: [usize; 2], step: usize, data: Vec<u8>) -> Picture {
    let mut picture = Picture::new(encoding, height as u32, width as u32, &[]);
    (picture.step, picture.data) = (step as u32, data);
    picture
}

/// All of an image, in colour, at its own size.
fn read(picture: &Picture) -> Result<Vec<f32>, Refusal> {
    let spec = image_spec(3, i64::from(picture.height), i64::from(picture.width));
    decode_image(&picture.message(), &spec).map(|decoded| decoded.values)
}

/// Red, green and blue of a pixel, 0..255.
fn pixel(values: &[f32], place: usize) -> [i32; 3] {
    let size = values.len() / 3;
    [0, 1, 2].map(|channel| (values[channel * size + place] * 255.0).round() as i32)
}

/// What OpenCV's `cvtColor` gives for these colours of BT.601.
const COLOURS: [([u8; 3], [i32; 3]); 4] = [
    ([81, 90, 240], [254, 0, 0]),
    ([145, 54, 34], [0, 255, 1]),
    ([41, 240, 110], [0, 0, 255]),
    ([235, 128, 128], [255; 3]),
];

#[test]
fn i5_yuv_of_4_2_2_is_read() {
    for ([y, u, v], expected) in COLOURS {
        for encoding in PAIRS {
            let is_uyvy = ["uyvy", "yuv422"].contains(&encoding);
            let group = if is_uyvy { [u, y, v, 16] } else { [y, u, 16, v] };
            let values = read(&picture(encoding, [1, 2], 4, group.to_vec())).expect(encoding);
            assert_eq!(pixel(&values, 0), expected, "{encoding}");
            assert_ne!(pixel(&values, 0), pixel(&values, 1), "the second has a brightness of its own");
        }
    }
}

#[test]
fn i5_yuv_of_4_2_0_is_read() {
    for ([y, u, v], expected) in COLOURS {
        for (encoding, colours) in [("nv12", [u, v]), ("nv21", [v, u])] {
            // Two by four pixels, rows of six bytes: the colours of the right half are gray.
            let light = [[y, y, 16, 235, 9, 9], [y, y, 235, 16, 9, 9]].concat();
            let data = [light, [colours.as_slice(), &[128, 128, 9, 9]].concat()].concat();
            let values = read(&picture(encoding, [2, 4], 6, data)).expect(encoding);
            for place in [0, 1, 4, 5] {
                assert_eq!(pixel(&values, place), expected, "{encoding} {place}");
            }
            assert_eq!([2, 3, 6, 7].map(|place| pixel(&values, place)), [[0; 3], [255; 3], [255; 3], [0; 3]]);
        }
    }
}

#[test]
fn i5_the_default_of_usb_cam_is_gray_where_it_is_gray() {
    let gray = picture("yuv422_yuy2", [64, 64], 128, vec![128; 64 * 128]);
    let values = decode_image(&gray.message(), &image_spec(1, 16, 16)).expect("read").values;
    assert!(values.iter().all(|value| (value - 130.0 / 255.0).abs() < 1e-5), "{values:?}");
}

/// Samples of a mosaic of a picture whose colours are planes: red rises to the right, green downwards, blue falls.
fn mosaic(pattern: &str, [height, width]: [usize; 2]) -> Vec<u16> {
    let pattern = pattern.as_bytes();
    let sample = |row: usize, column: usize| match pattern[row % 2 * 2 + column % 2] {
        b'r' => 20 + 10 * column as u16,
        b'g' => 30 + 10 * row as u16,
        _ => 220 - 10 * (row + column) as u16,
    };
    (0..height).flat_map(|row| (0..width).map(move |column| sample(row, column))).collect()
}

#[test]
fn i5_bayer_is_read_bilinearly() {
    let size = [6, 7];
    for pattern in MOSAICS {
        let samples = mosaic(pattern, size);
        let narrow: Vec<u8> = samples.iter().map(|sample| *sample as u8).collect();
        let wide =
            |bytes: fn(u16) -> [u8; 2]| samples.iter().flat_map(|sample| bytes(sample * 257)).collect::<Vec<_>>();
        let mut big = picture(&format!("bayer_{pattern}16"), size, 14, wide(u16::to_be_bytes));
        big.is_bigendian = 1;
        for picture in [
            picture(&format!("bayer_{pattern}8"), size, 7, narrow),
            picture(&format!("bayer_{pattern}16"), size, 14, wide(u16::to_le_bytes)),
            big,
        ] {
            let values = read(&picture).expect(pattern);
            // Within the edge interpolation of a plane gives the plane.
            for (row, column) in (1..5).flat_map(|row| (1..6).map(move |column| (row, column))) {
                let (r, c) = (row as i32, column as i32);
                let expected = [20 + 10 * c, 30 + 10 * r, 220 - 10 * (r + c)];
                assert_eq!(pixel(&values, row * 7 + column), expected, "{} {row} {column}", picture.encoding);
            }
        }
    }
}

#[test]
fn i5_a_constant_mosaic_is_gray_to_its_edge() {
    for size in [[2, 2], [2, 3], [3, 2], [5, 5]] {
        let values = read(&picture("bayer_grbg8", size, size[1], vec![51; size[0] * size[1]])).expect("read");
        assert!(values.iter().all(|value| (value - 0.2).abs() < 1e-6), "{size:?}: {values:?}");
    }
    for size in [[1, 1], [1, 4], [4, 1]] {
        let refusal = read(&picture("bayer_grbg8", size, size[1], vec![51; 4])).expect_err("no mosaic");
        assert!([Cause::BadSize].contains(&refusal.cause), "{refusal}");
    }
}

#[test]
fn i1_steps_of_what_shares_colours_are_judged_by_whole_pairs() {
    for (encoding, size, step, least) in
        [("yuyv", [1, 3], 6, 8), ("nv12", [2, 3], 3, 4), ("bayer_rggb16", [2, 3], 5, 6)]
    {
        let refusal = read(&picture(encoding, size, step, vec![0; 64])).expect_err("refused");
        assert_eq!(refusal.cause, Cause::BadStep);
        assert!(refusal.text.contains(&format!("({encoding}); expected at least {least}")), "{refusal}");
    }
}

fn jpeg(samples: usize, colour: ExtendedColorType) -> Vec<u8> {
    let pixels: Vec<u8> = (0..32 * 32 * samples).map(|place| (place * 7 % 251) as u8).collect();
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 90).write_image(&pixels, 32, 32, colour).expect("encodes");
    bytes
}

/// Takes the Huffman tables out, as webcams leave them out.
fn without_tables(jpeg: &[u8]) -> Vec<u8> {
    let (mut kept, mut place) = (jpeg[..2].to_vec(), 2);
    while jpeg[place + 1] != 0xDA {
        let next = place + 2 + usize::from(u16::from_be_bytes([jpeg[place + 2], jpeg[place + 3]]));
        if jpeg[place + 1] != 0xC4 {
            kept.extend(&jpeg[place..next]);
        }
        place = next;
    }
    [&kept, &jpeg[place..]].concat()
}

fn read_compressed(format: &str, data: &[u8]) -> Result<Decoded, Refusal> {
    let message = CompressedMessage { stamp: Stamp::default(), frame_id: "camera", format, data };
    ImageReader::new(image_spec(3, 32, 32), ImageConfig::default()).read_compressed(&message, None)
}

#[test]
fn i10_a_jpeg_of_a_webcam_gets_the_tables_that_it_lacks() {
    for whole in [jpeg(3, ExtendedColorType::Rgb8), jpeg(1, ExtendedColorType::L8)] {
        let bare = without_tables(&whole);
        assert!(bare.len() < whole.len() - 100);
        let [got, expected] = [&bare, &whole].map(|data| read_compressed("jpeg", data).expect("decodes").values);
        assert_eq!(got, expected);
        let cut = read_compressed("jpeg", &bare[..bare.len() / 2]).expect_err("refused");
        assert_eq!(cut.cause, Cause::BadImage);
    }
}

#[test]
fn i10_compressed_depth_is_named_with_what_to_do() {
    let png = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n'];
    let data = [[0; 12].as_slice(), &png, &[0; 40]].concat();
    for (format, data) in
        [("16UC1; compressedDepth png", &data[..]), ("", &data), ("16UC1; compressedDepth rvl", &[0; 30])]
    {
        let refusal = read_compressed(format, data).expect_err("refused");
        assert_eq!(refusal.cause, Cause::DepthImage);
        for part in ["a depth image", "what the task observes", "ros2 run image_transport republish"] {
            assert!(refusal.text.contains(part), "{refusal}");
        }
    }
    assert_eq!(read_compressed("png", &data[..15]).expect_err("refused").cause, Cause::BadImage);
}

fn encodings() -> impl Strategy<Value = String> {
    let mosaics = MOSAICS.iter().flat_map(|pattern| ["8", "16"].map(|bits| format!("bayer_{pattern}{bits}")));
    let all = PAIRS.iter().chain(&PLANES).map(ToString::to_string).chain(mosaics).collect::<Vec<_>>();
    prop::sample::select(all)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn i3_any_size_step_and_length_is_read_or_refused(
        encoding in encodings(), height in 1..9_usize, width in 1..9_usize, padding in 0..4_usize,
        off in prop_oneof![3 => Just(0_i32), 1 => -9..9_i32], is_tight in any::<bool>(), is_cropped in any::<bool>(),
        seed in any::<u8>(),
    ) {
        let [row, rows] = layout(&encoding, height, width);
        let step = row + padding;
        let whole = step * rows - if is_tight { padding } else { 0 };
        let length = usize::try_from(whole as i32 + off).unwrap_or(0);
        let data = (0..length).map(|place| (place as u8).wrapping_mul(37) ^ seed).collect();
        let picture = picture(&encoding, [height, width], step, data);
        let fit = if is_cropped { Fit::Crop } else { Fit::Stretch };
        let config = ImageConfig { fit, ..ImageConfig::default() };
        let read = ImageReader::new(image_spec(3, 2, 3), config).read(&picture.message(), None);
        let is_mosaic = encoding.starts_with("bayer");
        if [step * rows, step * rows - padding].contains(&length) && !(is_mosaic && height.min(width) < 2) {
            let values = read.expect("whole").values;
            prop_assert_eq!(values.len(), 18);
            prop_assert!(values.iter().all(|value| (0.0..=1.0).contains(value)), "{:?}", values);
        } else {
            prop_assert_eq!(read.expect_err("refused").cause, Cause::BadSize);
        }
    }
}
