//! Where an observation comes from.

use super::joints::Snapshot;
use super::latest::Held;
use super::people::Person;

/// Where an observation comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Provenance {
    /// Newest stamp among the parts, nanoseconds.
    pub stamp_nanos: i64,
    /// Frame of the joints, else of the image, else of the points; empty when none is named.
    pub frame_id: String,
    /// Frame of the points, empty when none is named; none when no point was seen.
    pub points_frame: Option<String>,
    /// When the newest part was received, nanoseconds: the age of the data counts from here.
    pub received_nanos: i64,
    /// When the oldest part that is still used was received, nanoseconds.
    pub oldest_nanos: i64,
    /// For each joint of the task, whether it is observed.
    pub observed_joints: Vec<bool>,
    /// When each of them was measured, nanoseconds; empty where no joint is observed.
    pub joint_stamps: Vec<i64>,
    /// Position of each as it came, radians or metres, NaN where unobserved; empty where no joint is observed.
    pub joint_positions: Vec<f64>,
    /// How surprising each is beside the others, see `thalweg_engine::time::Watch`, NaN where unobserved; empty where
    /// nobody watches.
    pub joint_surprise: Vec<f64>,
    /// Whom it is of; none where nobody is told apart.
    pub person: Option<Person>,
    /// Whether that is who has been there longest.
    pub leads: bool,
}

/// Gathers where the parts come from; `None` when there is no part.
pub(super) fn provenance(joints: usize, snapshot: Option<&Snapshot>, held: [Option<&Held>; 3]) -> Option<Provenance> {
    let of_joints = snapshot.map(|s| (s.stamp_nanos, s.frame_id.as_str(), s.received_nanos, s.oldest_nanos));
    let of_held = held.map(|held| held.map(|h| (h.stamp, h.frame_id.as_str(), h.received, h.received)));
    let parts: Vec<_> = std::iter::once(of_joints).chain(of_held).flatten().collect();
    let frame_id = parts.iter().map(|part| part.1).find(|frame| !frame.is_empty()).unwrap_or_default();
    let observed = |snapshot: &Snapshot| snapshot.positions.iter().map(|position| !position.is_nan()).collect();
    Some(Provenance {
        stamp_nanos: parts.iter().map(|part| part.0).max()?,
        frame_id: frame_id.to_owned(),
        points_frame: held[1].or(held[2]).map(|points| points.frame_id.clone()),
        received_nanos: parts.iter().map(|part| part.2).max()?,
        oldest_nanos: parts.iter().map(|part| part.3).min()?,
        joint_stamps: snapshot.map_or_else(Vec::new, |snapshot| snapshot.stamps.clone()),
        joint_positions: snapshot.map_or_else(Vec::new, |snapshot| snapshot.given.clone()),
        joint_surprise: Vec::new(),
        person: None,
        leads: false,
        observed_joints: snapshot.map_or_else(|| vec![false; joints], observed),
    })
}
