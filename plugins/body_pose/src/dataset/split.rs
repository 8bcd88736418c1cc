//! Which clip serves for what: decided by the clip's name alone, never by frame or order.

use super::Split;

/// Percentages of clips for validation and, where the source does not say, for the test.
const VALIDATION_PERCENT: u64 = 10;
const HELD_OUT_PERCENT: u64 = VALIDATION_PERCENT + 15;

/// CMU actions that neither F nor theta sees: both use the arms in ways the other actions do not.
const CMU_OUT_OF_DISTRIBUTION: [&str; 2] = ["washwindow", "directing_traffic"];

/// ASAP motions that neither F nor theta sees: a leg held or swung high, on the other one.
const ASAP_OUT_OF_DISTRIBUTION: [&str; 2] = ["kick", "single_foot_balance"];

/// Keeps the file's test clips as test clips, except what is out of distribution.
pub(super) fn of_cmu(name: &str, test: bool) -> Split {
    let action = name.split('/').nth(1).unwrap_or(name);
    if CMU_OUT_OF_DISTRIBUTION.contains(&action) {
        return Split::OutOfDistribution;
    }
    match percent(name) {
        _ if test => Split::Test,
        0..VALIDATION_PERCENT => Split::Validation,
        _ => Split::Train,
    }
}

/// Divides by the hash of the name.
pub(super) fn of_asap(name: &str) -> Split {
    if ASAP_OUT_OF_DISTRIBUTION.iter().any(|motion| name.starts_with(motion)) {
        return Split::OutOfDistribution;
    }
    by_percent(name)
}

/// Divides by the hash of the performer, so that nobody appears in two splits.
///
/// The name begins with the performer's number; 003_genuine has the bone lengths of 002_genuine,
/// to the last digit, and counts as the same person. Fourteen people are few: the word before
/// the number was chosen so that each split gets somebody.
pub(super) fn of_react_idle(name: &str) -> Split {
    by_percent(&format!("person {}", performer(name)))
}

/// The number of the person in a clip of ReActIdle.
pub(super) fn performer(name: &str) -> &str {
    let number = name.split('_').next().unwrap_or(name);
    if number == "003" { "002" } else { number }
}

/// A user's own motion: a tenth is for validation, by the hash of the name.
pub(super) fn of_own(name: &str) -> Split {
    if percent(name) < VALIDATION_PERCENT { Split::Validation } else { Split::Train }
}

/// Divides by the hash of the name; a motion with and without its way (`RM`, root motion) is one.
pub(super) fn of_mesh2motion(name: &str) -> Split {
    match percent(name.trim_end_matches("RM").trim_end_matches([' ', '_'])) {
        0..VALIDATION_PERCENT => Split::Validation,
        _ => Split::Train,
    }
}

fn by_percent(name: &str) -> Split {
    match percent(name) {
        0..VALIDATION_PERCENT => Split::Validation,
        VALIDATION_PERCENT..HELD_OUT_PERCENT => Split::Test,
        _ => Split::Train,
    }
}

/// Hashes a name to 0..100: FNV-1a (64 bit), its bits then mixed by MurmurHash3's finaliser,
/// because the low bits of FNV alone change little between names that differ at the end.
pub(super) fn percent(name: &str) -> u64 {
    let fnv = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mixed = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (mixed ^ (mixed >> 33)) % 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_names_fall_into_the_intended_shares() {
        let mut counts = [0; 3];
        for number in 0..1000 {
            match of_asap(&format!("clip_{number}")) {
                Split::Train => counts[0] += 1,
                Split::Validation => counts[1] += 1,
                Split::Test => counts[2] += 1,
                split => panic!("clip_{number} is no {} motion", split.name()),
            }
        }
        let near = |count: i32, wanted: i32| (count - wanted).abs() < 40;
        assert!(near(counts[0], 750) && near(counts[1], 100) && near(counts[2], 150), "{counts:?}");
    }

    #[test]
    fn the_files_own_test_clips_stay_test_clips() {
        assert_eq!(of_cmu("test/walking/walking_1", true), Split::Test);
        assert_ne!(of_cmu("train/walking/walking_1", false), Split::Test);
        assert_eq!(of_cmu("test/washwindow/washwindow_1", true), Split::OutOfDistribution);
    }
}
