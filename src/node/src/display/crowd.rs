//! Several people, for whoever shows them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use thalweg_record::Setup;

use super::{MOST_PEOPLE, ShownPerson};
use crate::intake::PeopleConfig;

/// Everybody of whom an answer came lately.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// Each with the moment of their last answer.
    present: BTreeMap<Arc<str>, (Duration, ShownPerson)>,
    /// Silence after which somebody is gone.
    timeout: Duration,
}

impl Crowd {
    /// Nobody; who is silent for `timeout` is gone.
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        Self { present: BTreeMap::new(), timeout }
    }

    /// Nobody, as in a recording: who is silent for as long as its node waited is gone.
    #[must_use]
    pub fn of_recording(setup: &Setup) -> Self {
        let parameters: Option<serde_json::Value> = serde_json::from_str(&setup.parameters).ok();
        let seconds = parameters.and_then(|parameters| parameters.get("input.person_timeout")?.as_f64());
        let timeout = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Self::new(timeout.unwrap_or(PeopleConfig::default().timeout))
    }

    /// Takes an answer that came at a moment, from any beginning. Who comes while too many are there is not taken.
    pub fn put(&mut self, at: Duration, person: ShownPerson) {
        self.expire(at);
        if self.present.len() < MOST_PEOPLE || self.present.contains_key(&person.id) {
            self.present.insert(Arc::clone(&person.id), (at, person));
        }
    }

    /// Forgets who is not among those.
    pub fn keep(&mut self, ids: &[String]) {
        self.present.retain(|id, _| ids.iter().any(|kept| **kept == **id));
    }

    /// Whether nobody who is there came before somebody.
    #[must_use]
    pub fn is_led_by(&self, id: &str) -> bool {
        let first = self.present.values().map(|(_, person)| person).min_by_key(|person| person.arrival);
        first.is_some_and(|first| *first.id == *id)
    }

    /// Everybody who is there at a moment, in the order in which they came.
    pub fn shown(&mut self, at: Duration) -> Arc<[ShownPerson]> {
        self.expire(at);
        let mut people: Vec<ShownPerson> = self.present.values().map(|(_, person)| person.clone()).collect();
        people.sort_by_key(|person| person.arrival);
        people.into()
    }

    /// Forgets who was silent for too long, and whose answers lie ahead: the clock was set back.
    fn expire(&mut self, at: Duration) {
        self.present.retain(|_, (heard, _)| at.checked_sub(*heard).is_some_and(|silence| silence <= self.timeout));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(id: &str, arrival: u64) -> ShownPerson {
        ShownPerson { id: id.into(), arrival, ..ShownPerson::default() }
    }

    fn ids(people: &[ShownPerson]) -> Vec<&str> {
        people.iter().map(|person| &*person.id).collect()
    }

    #[test]
    fn a_crowd_is_who_was_heard_lately_in_the_order_in_which_they_came() {
        let (at, mut crowd) = (Duration::from_millis, Crowd::new(Duration::from_secs(1)));
        crowd.put(at(0), person("b9", 1));
        crowd.put(at(10), person("b4", 2));
        assert_eq!(ids(&crowd.shown(at(20))), ["b9", "b4"]);
        assert!(crowd.is_led_by("b9") && !crowd.is_led_by("b4"));
        crowd.put(at(900), person("b4", 2));
        assert_eq!(ids(&crowd.shown(at(1500))), ["b4"], "the other one is silent");
        crowd.put(at(1500), person("b9", 3));
        assert!(crowd.is_led_by("b4"), "who comes back comes last");
        crowd.keep(&["b9".to_owned()]);
        assert_eq!(ids(&crowd.shown(at(1510))), ["b9"]);
        assert!(crowd.shown(at(100)).is_empty(), "a clock that was set back");
    }

    #[test]
    fn a_crowd_is_bounded() {
        let mut crowd = Crowd::new(Duration::from_secs(1));
        for number in 0..1000 {
            crowd.put(Duration::ZERO, person(&format!("b{number}"), number));
        }
        assert_eq!(crowd.shown(Duration::ZERO).len(), MOST_PEOPLE);
        for number in 1..1000 {
            crowd.put(Duration::from_secs(2 * number), person(&format!("c{number}"), number));
            assert_eq!(crowd.shown(Duration::from_secs(2 * number)).len(), 1);
        }
    }
}
