//! YUV to RGB as cv_bridge converts it, to the last bit: ITU-R BT.601 of limited range (brightness 16 to 235).
//!
//! Source: OpenCV 4, `modules/imgproc/src/color_yuv.simd.hpp`, which `cv_bridge` calls for `yuv422`, `yuv422_yuy2`,
//! `uyvy`, `yuyv` and `nv21`. No encoding of ROS names a range; JPEG, which has the full one, is converted by its
//! decoder. Pixels that share a colour all get it as it is, as there.

use std::ops::Range;

/// Shares of brightness and colours, in units of 2^-20: 1.164, 1.596, -0.813, -0.391, 2.018.
const Y: i32 = 1_220_542;
const RED_V: i32 = 1_673_527;
const GREEN_V: i32 = -852_492;
const GREEN_U: i32 = -409_993;
const BLUE_U: i32 = 2_116_026;
const SHIFT: i32 = 20;

/// The brightness that is black, and the number of U and V that is gray.
const BLACK: i32 = 16;
const GRAY: i32 = 128;

fn rgb(y: u8, u: u8, v: u8) -> [u8; 3] {
    let light = (i32::from(y) - BLACK).max(0) * Y + (1 << (SHIFT - 1));
    let (u, v) = (i32::from(u) - GRAY, i32::from(v) - GRAY);
    let colours = [RED_V * v, GREEN_V * v + GREEN_U * u, BLUE_U * u];
    colours.map(|colour| ((light + colour) >> SHIFT).clamp(0, 255) as u8)
}

/// Writes pixels of a 4:2:2 row, three bytes each; `places` of the first brightness, of U and of V in each four bytes.
pub(super) fn pairs(row: &[u8], columns: Range<usize>, [y, u, v]: [usize; 3], out: &mut [u8]) {
    let groups = row.as_chunks::<4>().0;
    for (column, out) in columns.zip(out.as_chunks_mut::<3>().0) {
        let group = &groups[column / 2];
        *out = rgb(group[y + 2 * (column % 2)], group[u], group[v]);
    }
}

/// Writes pixels of a row of brightness and its row of colours; `places` of U and of V in each two bytes.
pub(super) fn planes([light, colours]: [&[u8]; 2], columns: Range<usize>, [u, v]: [usize; 2], out: &mut [u8]) {
    let colours = colours.as_chunks::<2>().0;
    let light = &light[columns.clone()];
    for ((column, light), out) in columns.zip(light).zip(out.as_chunks_mut::<3>().0) {
        let pair = &colours[column / 2];
        *out = rgb(*light, pair[u], pair[v]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Within one step of the formula of BT.601, which does not round its shares.
    #[test]
    fn is_bt_601_of_limited_range() {
        for (y, u, v) in
            [(16, 128, 128), (235, 128, 128), (81, 90, 240), (145, 54, 34), (41, 240, 110), (0, 0, 0), (255, 255, 255)]
        {
            let light = 255.0 / 219.0 * (f64::from(y) - 16.0).max(0.0);
            let [blue, red] = [u, v].map(|colour: u8| 255.0 / 224.0 * (f64::from(colour) - 128.0));
            let expected = [
                light + 1.402 * red,
                light - 0.299 / 0.587 * 1.402 * red - 0.114 / 0.587 * 1.772 * blue,
                light + 1.772 * blue,
            ];
            for (got, expected) in rgb(y, u, v).into_iter().zip(expected) {
                assert!((f64::from(got) - expected.clamp(0.0, 255.0)).abs() < 1.0, "{y} {u} {v}: {got}, {expected}");
            }
        }
        assert_eq!([rgb(16, 128, 128), rgb(235, 128, 128)], [[0; 3], [255; 3]]);
    }
}
