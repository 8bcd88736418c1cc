//! Why input was refused, or used with a remark, in words, and how often.

use std::fmt;

/// Declares [`Cause`] once: variant, name in diagnostics, meaning.
macro_rules! causes {
    ($($variant:ident $name:literal $meaning:literal,)*) => {
        /// Why a message, or a part of one, was not taken as it came.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Cause {
            $(#[doc = $meaning] $variant,)*
        }

        impl Cause {
            /// Every cause, in the order in which diagnostics list them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The cause in snake_case, as in the key `refused nonfinite_joint`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

causes! {
    NonfiniteJoint "nonfinite_joint" "A joint position is NaN or infinite (J1); that joint is unobserved.",
    LengthMismatch "length_mismatch" "There are more names than positions, or fewer (J2).",
    NoPositions "no_positions" "Names came without positions (J3).",
    NoNames "no_names" "Positions came without names (J4).",
    UnknownJoint "unknown_joint" "None of the names is a joint of the task (J5).",
    DuplicateJoint "duplicate_joint" "A name came twice with different positions (J6).",
    OutOfOrder "out_of_order" "The stamp is older than the one before it from the same source (J8).",
    NewBeginning "new_beginning" "So many older stamps came in a row that time began anew; used (J8).",
    ZeroStamp "zero_stamp" "The stamp is zero; taken as now where that is accepted (J9).",
    FutureStamp "future_stamp" "The stamp is in the future; used up to 5 s, refused beyond (J10).",
    BadStamp "bad_stamp" "The stamp is no time: negative, or a billion nanoseconds or more (J11).",
    OutOfLimits "out_of_limits" "A value lies outside the range it is declared for (J12, P8).",
    Precision "precision" "An angle is so many turns large, or a length so long, that it has no precision left (J13).",
    Overflow "overflow" "A value does not fit a 32 bit float (J14).",
    BadName "bad_name" "A name is empty, too long or has control or undecodable characters (J15).",
    TooManyJoints "too_many_joints" "The message has more joints than `input.max_joints` (J16).",
    Contradiction "contradiction" "A joint, or a body, flips between two positions, as of two publishers (J18, P23); still used.",
    Undecodable "undecodable" "The bytes are no message of this type (J19).",
    StaleJoint "stale_joint" "A joint came no more for `input.joint_timeout` and fell out (J17).",
    BadStep "bad_step" "A row of an image is shorter than its pixels (I1).",
    BadSize "bad_size" "An image has another number of bytes than its size says (I3, I4).",
    EmptyImage "empty_image" "An image has no rows or no columns (I4).",
    UnknownEncoding "unknown_encoding" "The encoding of an image is none of those that are read (I5).",
    WrongChannels "wrong_channels" "The task wants a number of channels that no encoding gives.",
    DepthImage "depth_image" "Compressed depth (`compressedDepth`) came where colour is observed (I10).",
    BadImage "bad_image" "Compressed bytes are no whole JPEG or PNG, or one of a kind that is not read (I10).",
    TooManyPixels "too_many_pixels" "A compressed image has more pixels than `input.max_pixels` (I10).",
    NothingSeen "nothing_seen" "Every pixel of an image is unobserved: masked, transparent, of the key's colour or NaN; or every point of a cloud.",
    Unmatched "unmatched" "An image has no mask of its time, or a mask no image (I13).",
    BadLayout "bad_layout" "Fields, steps and bytes of a cloud do not fit together (P1, P3, P4, P5, P9).",
    MissingField "missing_field" "A cloud lacks x, y or z (P2).",
    WrongCount "wrong_count" "A cloud has another number of points than the task names (P14).",
    ZeroPoint "zero_point" "Several points are at exactly 0 0 0, which means not seen (P8).",
    UnknownKeypoint "unknown_keypoint" "A number is none of the keypoints of the table, or comes twice (P16).",
    SeveralPeople "several_people" "Keypoints of several people came; those of the first are used (P17).",
    NoPerson "no_person" "Several people are followed, and nothing says of whom this is (P20).",
    TooManyPeople "too_many_people" "More people came than `input.people`; the first keep their places (P21).",
    ChangedFrame "changed_frame" "Points of a tracker come in another frame than before; used (P24).",
    WrongFrame "wrong_frame" "Points are given in another frame than the task's (P12).",
    NoCamera "no_camera" "Keypoints in pixels came, and no camera_info before them that can be used (C1).",
    Uncalibrated "uncalibrated" "A camera_info has no focal lengths (C2).",
    UnknownDistortion "unknown_distortion" "A camera_info has a distortion that is none of those that are undone (C3).",
    BadCamera "bad_camera" "The numbers of a camera_info describe no camera (C3).",
    TooManyPoints "too_many_points" "A cloud has more points than are ever read (P10).",
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One thing that was wrong with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kind of trouble, for counting.
    pub cause: Cause,
    /// What came and what was expected: "got .. expected ..", safe to log.
    pub text: String,
    /// Whether what it speaks of was used nevertheless: then it is noticed, not refused.
    pub is_used: bool,
}

impl Refusal {
    /// Builds a refusal.
    #[must_use]
    pub fn new(cause: Cause, text: impl Into<String>) -> Self {
        Self { cause, text: text.into(), is_used: false }
    }

    /// Builds a remark on something that is used.
    #[must_use]
    pub fn notice(cause: Cause, text: impl Into<String>) -> Self {
        Self { is_used: true, ..Self::new(cause, text) }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.cause, self.text)
    }
}

/// How often one cause came, and what was said last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Count {
    refused: u64,
    noticed: u64,
    reported: u64,
    text: String,
}

impl Count {
    fn all(&self) -> u64 {
        self.refused.saturating_add(self.noticed)
    }
}

/// What was refused or noticed since the report before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Since {
    /// How often each cause came, in the order of [`Cause::ALL`]; causes that did not are absent.
    pub counts: Vec<(Cause, u64)>,
    /// The refusal or notice that came last.
    pub last: Option<Refusal>,
}

/// Counts refusals and notices by cause, each apart; bounded, whatever comes.
#[derive(Clone, Debug)]
pub struct Tally {
    counts: Vec<Count>,
    /// What came last, and whether it was used.
    last: Option<(Cause, bool)>,
}

impl Default for Tally {
    fn default() -> Self {
        Self { counts: vec![Count::default(); Cause::ALL.len()], last: None }
    }
}

impl Tally {
    /// Counts one refusal or notice and remembers its text.
    pub fn add(&mut self, refusal: &Refusal) {
        let count = &mut self.counts[refusal.cause as usize];
        let counter = if refusal.is_used { &mut count.noticed } else { &mut count.refused };
        *counter = counter.saturating_add(1);
        count.text.clone_from(&refusal.text);
        // Joints of somebody else come as often as ours, and must not hide what is wrong with ours.
        if refusal.cause != Cause::UnknownJoint || self.last.is_none() {
            self.last = Some((refusal.cause, refusal.is_used));
        }
    }

    /// How often something was refused for a cause since the start.
    #[must_use]
    pub fn total(&self, cause: Cause) -> u64 {
        self.counts[cause as usize].refused
    }

    /// How often something was used although there was this cause, since the start.
    #[must_use]
    pub fn noticed(&self, cause: Cause) -> u64 {
        self.counts[cause as usize].noticed
    }

    /// What was said last about a cause, if it ever came.
    #[must_use]
    pub fn text(&self, cause: Cause) -> Option<&str> {
        let count = &self.counts[cause as usize];
        (count.all() > 0).then_some(count.text.as_str())
    }

    /// Lists the causes for which something was ever refused and how often, in the order of [`Cause::ALL`].
    pub fn totals(&self) -> impl Iterator<Item = (Cause, u64)> {
        let totals = Cause::ALL.iter().map(|&cause| (cause, self.total(cause)));
        totals.filter(|(_, count)| *count > 0)
    }

    /// Lists the causes for which something was ever noticed and how often, in the order of [`Cause::ALL`].
    pub fn notices(&self) -> impl Iterator<Item = (Cause, u64)> {
        let notices = Cause::ALL.iter().map(|&cause| (cause, self.noticed(cause)));
        notices.filter(|(_, count)| *count > 0)
    }

    /// Reports what came since the last call; totals stay.
    pub fn since_last(&mut self) -> Since {
        let last = self.last.take().map(|(cause, is_used)| {
            let text = self.counts[cause as usize].text.clone();
            Refusal { is_used, ..Refusal::new(cause, text) }
        });
        let mut counts = Vec::new();
        for (&cause, count) in Cause::ALL.iter().zip(&mut self.counts) {
            let all = count.all();
            if all > count.reported {
                counts.push((cause, all - count.reported));
                count.reported = all;
            }
        }
        Since { counts, last }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_snake_case_and_in_order() {
        for (place, cause) in Cause::ALL.iter().enumerate() {
            assert_eq!(*cause as usize, place);
            assert!(cause.name().chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{cause}");
            assert_eq!(Cause::ALL.iter().filter(|other| other.name() == cause.name()).count(), 1, "{cause}");
        }
    }

    #[test]
    fn since_last_reports_once_and_totals_stay() {
        let mut tally = Tally::default();
        tally.add(&Refusal::new(Cause::WrongCount, "first"));
        tally.add(&Refusal::new(Cause::BadName, "second"));
        tally.add(&Refusal::new(Cause::WrongCount, "third"));
        let since = tally.since_last();
        assert_eq!(since.counts, [(Cause::BadName, 1), (Cause::WrongCount, 2)]);
        assert_eq!(since.last, Some(Refusal::new(Cause::WrongCount, "third")));
        assert_eq!(tally.since_last(), Since::default());
        tally.add(&Refusal::new(Cause::BadName, "fourth"));
        assert_eq!(tally.since_last().counts, [(Cause::BadName, 1)]);
        assert_eq!(tally.totals().collect::<Vec<_>>(), [(Cause::BadName, 2), (Cause::WrongCount, 2)]);
        assert_eq!(tally.text(Cause::BadName), Some("fourth"));
        assert_eq!(tally.text(Cause::Overflow), None);
    }
}
