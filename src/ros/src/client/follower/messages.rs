//! Messages as plain values.

use r2r::builtin_interfaces::msg::Time;
use r2r::diagnostic_msgs::msg::DiagnosticStatus;
use r2r::sensor_msgs::msg::{Image, PointCloud2};
use thalweg_task::{ImageSpec, PointsSpec};

use crate::node::inputs::with_cloud;
use thalweg_node::display::MOST_POINTS;
use thalweg_node::intake::{ImageMessage, Stamp, decode_image, decode_points};
use thalweg_task::Pixels;

/// Longest side of an image that is passed on, pixels: larger ones are shown no larger.
const LONGEST_SIDE: u32 = 512;

/// Most points of a cloud that are decoded; larger ones are left out.
const MOST_DECODED: u64 = 4_000_000;

/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;

pub(super) fn nanos(time: &Time) -> i64 {
    i64::from(time.sec) * SECOND + i64::from(time.nanosec)
}

fn stamp(time: &Time) -> Stamp {
    Stamp { sec: time.sec, nanosec: time.nanosec }
}

/// The image in three channels, no larger than can be shown; none when it cannot be read.
pub(super) fn pixels(message: &Image) -> Option<Pixels> {
    let shrink = |side: u32| {
        let longest = message.width.max(message.height).max(1);
        (u64::from(side) * u64::from(longest.min(LONGEST_SIDE)) / u64::from(longest)).max(1)
    };
    let (height, width) = (shrink(message.height), shrink(message.width));
    let spec = ImageSpec { channels: 3, height: i64::try_from(height).ok()?, width: i64::try_from(width).ok()? };
    let read = ImageMessage {
        stamp: stamp(&message.header.stamp),
        frame_id: &message.header.frame_id,
        height: message.height,
        width: message.width,
        encoding: &message.encoding,
        is_bigendian: message.is_bigendian,
        step: message.step,
        data: &message.data,
    };
    let data = decode_image(&read, &spec).ok()?.values;
    Some(Pixels { channels: 3, height: u32::try_from(height).ok()?, width: u32::try_from(width).ok()?, data })
}

/// The points that are known, thinned to what is shown; none when the cloud cannot be read.
pub(super) fn points(message: &PointCloud2) -> Option<Vec<[f32; 3]>> {
    let count = u64::from(message.width) * u64::from(message.height);
    if count > MOST_DECODED {
        return None;
    }
    // Any cloud will do: as many points as there are, in whatever frame.
    let names = vec![String::new(); usize::try_from(count).ok()?];
    let spec = PointsSpec { names, ..PointsSpec::default() };
    let values = with_cloud(message, |cloud| decode_points(cloud, &spec)).ok()??.values;
    let known = values.as_chunks::<3>().0.iter().filter(|point| point[0].is_finite());
    let step = known.clone().count().div_ceil(MOST_POINTS).max(1);
    Some(known.step_by(step).copied().collect())
}

/// The value of a key.
pub(super) fn value<'a>(status: &'a DiagnosticStatus, key: &str) -> Option<&'a str> {
    status.values.iter().find(|pair| pair.key == key).map(|pair| pair.value.as_str())
}

/// How much a status says was refused.
pub(super) fn refusals(status: &DiagnosticStatus) -> u64 {
    let counters = status.values.iter().filter(|pair| pair.key.starts_with("refused "));
    counters.filter_map(|pair| pair.value.parse::<u64>().ok()).sum()
}
