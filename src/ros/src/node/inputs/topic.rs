//! A topic's type, its quality of service, and notes of its traffic.

use std::time::{Duration, Instant};

use futures::future::AbortHandle;
use r2r::QosProfile;

use thalweg_node::diagnostics::{FrequencyWindow, Status};
use thalweg_node::intake::{Cause, Input};
use thalweg_node::parameters::{Durability, History, PointsType, QosOverride, Reliability};

/// Time between two log lines about one cause.
const THROTTLE: Duration = Duration::from_secs(1);

/// The type of message that an input takes; `points` is that of points.
pub(crate) fn type_name(input: Input, points: PointsType) -> &'static str {
    match input {
        Input::Joints => "sensor_msgs/msg/JointState",
        Input::Image | Input::Mask => "sensor_msgs/msg/Image",
        Input::Compressed => "sensor_msgs/msg/CompressedImage",
        Input::Cloud => "sensor_msgs/msg/PointCloud2",
        Input::Camera => "sensor_msgs/msg/CameraInfo",
        Input::Points => match points {
            PointsType::Cloud | PointsType::Pixels => "sensor_msgs/msg/PointCloud2",
            PointsType::Markers => MARKERS,
            PointsType::Poses => POSES,
            PointsType::Objects => OBJECTS,
            PointsType::Skeleton2d => SKELETON,
        },
    }
}

/// Points as markers, as poses, as a ZED camera has them, and as ros4hri does in an image.
pub(super) const MARKERS: &str = "visualization_msgs/msg/MarkerArray";
pub(super) const POSES: &str = "geometry_msgs/msg/PoseArray";
pub(super) const OBJECTS: &str = "zed_msgs/msg/ObjectsStamped";
pub(super) const SKELETON: &str = "hri_msgs/msg/Skeleton2D";

/// Sensor data (best effort, the last five), as the user overrides it.
pub(super) fn qos(user: Option<&QosOverride>) -> QosProfile {
    overridden(user, QosProfile::sensor_data())
}

/// A quality of service, as the user overrides it.
pub(crate) fn overridden(user: Option<&QosOverride>, own: QosProfile) -> QosProfile {
    let Some(user) = user else {
        return own;
    };
    let qos = match user.history {
        History::KeepLast => own.keep_last(user.depth),
        History::KeepAll => own.keep_all(),
    };
    let qos = match user.reliability {
        Reliability::BestEffort => qos.best_effort(),
        Reliability::Reliable => qos.reliable(),
    };
    match user.durability {
        Durability::Volatile => qos.volatile(),
        Durability::TransientLocal => qos.transient_local(),
    }
}

/// The subscription of before, which is listened to until the new one is heard: the publisher takes a moment to find
/// that, and what it sends meanwhile must not be lost.
#[derive(Debug)]
struct Handover {
    predecessor: AbortHandle,
    /// What the predecessor handed on last, if anything, for both may hear it.
    heard: Option<Vec<u8>>,
}

/// Notes of one topic's traffic.
#[derive(Debug)]
pub(super) struct Meter {
    opened: Instant,
    last: Option<Instant>,
    /// When the subscription was made anew in this silence, and how often.
    revived: Option<(Instant, u32)>,
    /// Number of the newest subscription.
    generation: u32,
    handover: Option<Handover>,
    window: FrequencyWindow,
    /// When each cause was told last, in the order of [`Cause::ALL`].
    told: Vec<Option<Instant>>,
}

impl Meter {
    pub(super) fn new(now: Instant) -> Self {
        let told = vec![None; Cause::ALL.len()];
        let window = FrequencyWindow::new(Duration::ZERO);
        Self { opened: now, last: None, revived: None, generation: 0, handover: None, window, told }
    }

    /// Gives a new subscription its number; the one of before is heard until the new one is.
    pub(super) fn succeed(&mut self, predecessor: Option<AbortHandle>) -> u32 {
        self.end_handover();
        self.handover = predecessor.map(|predecessor| Handover { predecessor, heard: None });
        self.generation += 1;
        self.generation
    }

    /// Listens no longer to a subscription that has a successor.
    pub(super) fn end_handover(&mut self) {
        if let Some(handover) = self.handover.take() {
            handover.predecessor.abort();
        }
    }

    /// Notes a message that the subscription of this number heard; tells whether it is another than the predecessor
    /// has handed on.
    pub(super) fn arrive(&mut self, generation: u32, bytes: &[u8], now: Instant) -> bool {
        if generation == self.generation {
            let is_known = self.handover.as_ref().is_some_and(|handover| handover.heard.as_deref() == Some(bytes));
            self.end_handover();
            if is_known {
                return false;
            }
        } else if let Some(handover) = &mut self.handover {
            handover.heard = Some(bytes.to_vec());
        }
        (self.last, self.revived) = (Some(now), None);
        self.window.count(1);
        true
    }

    /// Time since the last message; none before the first.
    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        self.last.map(|last| now.saturating_duration_since(last))
    }

    /// Whether a line about this cause may be logged now; if so it counts as logged.
    pub(super) fn may_tell(&mut self, cause: Cause, now: Instant) -> bool {
        let may = !self.was_told(cause, now);
        if may {
            self.told[cause as usize] = Some(now);
        }
        may
    }

    /// Whether a line about this cause was logged within the last second.
    pub(super) fn was_told(&self, cause: Cause, now: Instant) -> bool {
        self.told[cause as usize].is_some_and(|told| now.saturating_duration_since(told) < THROTTLE)
    }

    /// Whether nothing came for so long that the subscription should be made anew; if so it counts
    /// as done. Each try in one silence waits ten times longer than the one before it: a publisher
    /// that has nothing to say must not make subscriptions pile up.
    pub(super) fn should_revive(&mut self, silence: Duration, now: Instant) -> bool {
        let (since, tries) = self.revived.unwrap_or((self.last.unwrap_or(self.opened), 0));
        let is_due = now.saturating_duration_since(since) > silence * 10u32.saturating_pow(tries);
        if is_due {
            // Ten days of silence are enough.
            self.revived = Some((now, (tries + 1).min(5)));
        }
        is_due
    }

    pub(super) fn report(&mut self, now: Instant, status: Status) -> Status {
        self.window.report(now.saturating_duration_since(self.opened), status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once_a_second() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        assert!(meter.may_tell(Cause::BadStamp, start));
        assert!(!meter.may_tell(Cause::BadStamp, start + Duration::from_millis(999)));
        assert!(meter.may_tell(Cause::BadName, start + Duration::from_millis(999)));
        assert!(meter.may_tell(Cause::BadStamp, start + Duration::from_secs(1)));
    }

    #[test]
    fn a_silent_topic_is_revived_less_and_less_often() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        let mut tries = |seconds: u64| {
            let at = |second| start + Duration::from_secs(second);
            (1..=seconds).filter(|&second| meter.should_revive(Duration::from_secs(3), at(second))).collect::<Vec<_>>()
        };
        assert_eq!(tries(400), [4, 35, 336]);
        assert!(meter.arrive(0, b"", start + Duration::from_secs(400)));
        assert!(!meter.should_revive(Duration::from_secs(3), start + Duration::from_secs(403)));
        assert!(meter.should_revive(Duration::from_secs(3), start + Duration::from_secs(404)));
    }

    #[test]
    fn the_subscription_of_before_is_heard_until_the_new_one_is() {
        let now = Instant::now();
        let mut meter = Meter::new(now);
        let first = meter.succeed(None);
        assert!(meter.arrive(first, b"a", now) && meter.arrive(first, b"a", now), "publishers may repeat themselves");
        let (predecessor, _registration) = AbortHandle::new_pair();
        let second = meter.succeed(Some(predecessor.clone()));
        assert!(meter.arrive(first, b"b", now), "it came before the publisher knew of the second");
        assert!(meter.arrive(first, b"c", now) && !predecessor.is_aborted());
        assert!(!meter.arrive(second, b"c", now), "both heard it");
        assert!(predecessor.is_aborted());
        assert!(meter.arrive(second, b"c", now), "now it is the publisher that repeats itself");
        let (predecessor, _registration) = AbortHandle::new_pair();
        let third = meter.succeed(Some(predecessor));
        assert!(meter.arrive(third, b"", now), "the second heard nothing, not a message of no bytes");
    }

    #[test]
    fn users_override_quality_of_service() {
        let user = QosOverride {
            reliability: Reliability::Reliable,
            depth: 7,
            history: History::KeepLast,
            durability: Durability::TransientLocal,
        };
        let qos = qos(Some(&user));
        assert_eq!(qos.depth, 7);
        assert_eq!(qos.reliability, r2r::qos::ReliabilityPolicy::Reliable);
        assert_eq!(qos.durability, r2r::qos::DurabilityPolicy::TransientLocal);
        assert_eq!(super::qos(None).depth, 5);
    }
}
