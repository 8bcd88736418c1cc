//! Where the parts of one answer come together.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use r2r::diagnostic_msgs::msg::{DiagnosticArray, DiagnosticStatus};
use r2r::sensor_msgs::msg::{Image, JointState, PointCloud2};

use super::messages::{nanos, pixels, points, refusals, value};
use thalweg_node::display::{Crowd, MOST_HYPOTHESES, ShownAnswer, present, read_body};

/// How long a joint counts as observed after its last message: the node's own default.
const JOINT_TIMEOUT: Duration = Duration::from_millis(500);

/// How long somebody of several people counts as there after their last answer, where nobody says that they have gone.
const SILENCE: Duration = Duration::from_secs(10);

/// How long the answers of who leads several people may stay away before those of others are shown.
const LATE: Duration = Duration::from_millis(200);

/// A latency beyond this is none: sender and watcher have different clocks.
const PLAUSIBLE: Duration = Duration::from_secs(60);

/// Gathers messages until an answer is whole, then hands it on.
pub(super) struct Assembler {
    /// The node's own name, which its diagnostics begin with.
    node: String,
    take: Box<dyn FnMut(ShownAnswer) + Send>,
    wish: Sender<usize>,
    /// What is being gathered; handed on when it is whole or something newer begins.
    shown: ShownAnswer,
    has_statistics: bool,
    is_told: bool,
    seen: HashMap<String, Instant>,
    refused: HashMap<String, u64>,
    /// Everybody, where people are told apart.
    crowd: Crowd,
    begin: Instant,
    /// When something was handed on last.
    told: Instant,
}

impl std::fmt::Debug for Assembler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Assembler").field("node", &self.node).field("shown", &self.shown).finish_non_exhaustive()
    }
}

impl Assembler {
    pub(super) fn new(target: &str, take: Box<dyn FnMut(ShownAnswer) + Send>, wish: Sender<usize>) -> Self {
        let node = target.rsplit('/').next().unwrap_or(target).to_owned();
        let (shown, seen, refused) = (ShownAnswer::default(), HashMap::new(), HashMap::new());
        let (crowd, begin) = (Crowd::new(SILENCE), Instant::now());
        Self { node, take, wish, shown, has_statistics: false, is_told: true, seen, refused, crowd, begin, told: begin }
    }

    /// What was found of one of several people.
    pub(super) fn body(&mut self, text: &str) {
        let Some((names, person)) = read_body(text) else { return };
        let id = Arc::clone(&person.id);
        self.crowd.put(self.begin.elapsed(), person);
        // Who leads is shown with their whole answer, and everybody else as they are then.
        if self.is_told && !self.crowd.is_led_by(&id) && self.told.elapsed() > LATE {
            if self.shown.names.is_empty() {
                self.shown.names = names.into();
            }
            self.hand_on();
        }
    }

    /// Who is there, by what the node says.
    pub(super) fn people(&mut self, text: &str) {
        if let Some(ids) = present(text) {
            self.crowd.keep(&ids);
        }
    }

    /// Joints of one hypothesis, 0 being the best.
    pub(super) fn hypothesis(&mut self, rank: usize, message: JointState) {
        if !self.turn_to(nanos(&message.header.stamp)) {
            return;
        }
        if *self.shown.names != *message.name {
            self.shown.names = message.name.into();
        }
        if rank == 0 {
            self.shown.latency = since(self.shown.stamp_nanos);
            self.shown.observed = self.shown.names.iter().map(|name| self.is_seen(name)).collect();
        }
        put(&mut self.shown.answer.joints, rank, message.position);
        self.tell_if_whole();
    }

    /// How far off the best hypothesis may be: names and order are its own. Where it comes after the answer was told, the
    /// next one shows it: it changes little from one to the next.
    pub(super) fn deviation(&mut self, message: JointState) {
        if self.turn_to(nanos(&message.header.stamp)) {
            self.shown.answer.deviation = message.position;
        }
    }

    /// What a solve has cost.
    pub(super) fn statistics(&mut self, message: &DiagnosticArray) {
        let Some(solve) = message.status.iter().find(|status| status.name == "solve") else { return };
        if !self.turn_to(nanos(&message.header.stamp)) {
            return;
        }
        let number =
            |key| value(solve, key).and_then(|text| text.parse::<f64>().ok()).filter(|number| number.is_finite());
        let shown = &mut self.shown;
        shown.answer.landscape = value(solve, "theta").unwrap_or_default().to_owned();
        shown.answer.statistics.steps = number("steps").unwrap_or(0.0) as u32;
        shown.answer.took = Duration::try_from_secs_f64(number("took_ms").unwrap_or(0.0) * 1e-3).unwrap_or_default();
        let hypotheses = number("hypotheses").unwrap_or(1.0) as usize;
        if hypotheses != std::mem::replace(&mut shown.hypotheses, hypotheses) {
            // Whoever widens has ended only when nobody watches any more.
            self.wish.send(hypotheses.max(1)).unwrap_or_default();
        }
        if shown.answer.losses.len() != hypotheses {
            shown.answer.losses = number("loss").into_iter().collect();
        }
        self.has_statistics = true;
        self.tell_if_whole();
    }

    /// Losses carry no stamp; they come with the answer that is being gathered.
    pub(super) fn losses(&mut self, values: &[f32]) {
        self.shown.answer.losses = values.iter().map(|value| f64::from(*value)).collect();
    }

    pub(super) fn weights(&mut self, values: &[f32]) {
        self.shown.answer.weights = values.iter().map(|value| f64::from(*value)).collect();
    }

    pub(super) fn image_of(&mut self, rank: usize, message: &Image) {
        if let Some(image) = pixels(message) {
            put(&mut self.shown.answer.images, rank, Arc::new(image));
        }
    }

    pub(super) fn seen_joints(&mut self, message: &JointState) {
        let known = message.name.iter().zip(&message.position).filter(|(_, position)| position.is_finite());
        let now = Instant::now();
        for (name, _) in known {
            // Names that were never seen are few: the node refuses messages with very many.
            self.seen.insert(name.clone(), now);
        }
        self.seen.retain(|_, when| now.saturating_duration_since(*when) < JOINT_TIMEOUT);
    }

    pub(super) fn seen_points(&mut self, message: &PointCloud2) {
        if let Some(points) = points(message) {
            self.shown.points = points.into();
        }
    }

    pub(super) fn seen_image(&mut self, message: &Image) {
        if let Some(image) = pixels(message) {
            self.shown.image = Some(Arc::new(image));
        }
    }

    /// Takes over what this node says of refused input.
    pub(super) fn diagnostics(&mut self, message: &DiagnosticArray) {
        let is_own = |status: &&DiagnosticStatus| {
            let node = status.name.split(": ").next().unwrap_or_default();
            node.rsplit('/').next() == Some(self.node.as_str())
        };
        for status in message.status.iter().filter(is_own) {
            let count = refusals(status);
            if count > 0 {
                self.refused.insert(status.name.clone(), count);
            }
        }
        self.shown.refusals = self.refused.values().sum();
    }

    fn is_seen(&self, name: &str) -> bool {
        self.seen.get(name).is_some_and(|when| when.elapsed() < JOINT_TIMEOUT)
    }

    /// Turns to the answer of a stamp; says whether it is not older than what was handed on.
    fn turn_to(&mut self, stamp_nanos: i64) -> bool {
        if stamp_nanos == self.shown.stamp_nanos {
            return true;
        }
        // Far back is another recording, or a clock that was set: that is new, not old.
        let back = self.shown.stamp_nanos.saturating_sub(stamp_nanos);
        if (1..PLAUSIBLE.as_nanos() as i64).contains(&back) && self.is_told {
            return false;
        }
        self.tell();
        self.shown.stamp_nanos = stamp_nanos;
        self.shown.answer.joints.clear();
        (self.has_statistics, self.is_told) = (false, false);
        true
    }

    fn tell_if_whole(&mut self) {
        let wanted = self.shown.hypotheses.clamp(1, MOST_HYPOTHESES);
        if self.has_statistics
            && self.shown.answer.joints.len() >= wanted
            && self.shown.answer.joints.iter().all(|j| !j.is_empty())
        {
            self.tell();
        }
    }

    /// Hands on what there is, once; hypotheses that did not come are left out.
    fn tell(&mut self) {
        if std::mem::replace(&mut self.is_told, true) || self.shown.answer.joints.first().is_none_or(Vec::is_empty) {
            return;
        }
        self.hand_on();
    }

    fn hand_on(&mut self) {
        self.told = Instant::now();
        self.shown.people = self.crowd.shown(self.begin.elapsed());
        let mut shown = self.shown.clone();
        let whole = shown.answer.joints.iter().take_while(|joints| !joints.is_empty()).count();
        shown.answer.joints.truncate(whole);
        shown.hypotheses = shown.hypotheses.max(whole);
        (self.take)(shown);
    }
}

/// Puts a value into its place, making room for those that have not come yet.
fn put<T: Clone + Default>(values: &mut Vec<T>, place: usize, value: T) {
    if values.len() <= place {
        values.resize(place + 1, T::default());
    }
    values[place] = value;
}

fn since(stamp_nanos: i64) -> Option<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let stamp = Duration::from_nanos(u64::try_from(stamp_nanos).ok()?);
    now.checked_sub(stamp).filter(|latency| *latency < PLAUSIBLE)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use r2r::diagnostic_msgs::msg::KeyValue;
    use r2r::std_msgs::msg::Header;

    use super::*;
    use crate::node::time::stamp;
    use thalweg_node::display::{ShownPerson, write_body};

    fn assembler() -> (Assembler, Receiver<ShownAnswer>, Receiver<usize>) {
        let ((told, answers), (wish, wishes)) = (channel(), channel());
        let take = move |shown| told.send(shown).expect("somebody listens");
        (Assembler::new("/robot/thalweg", Box::new(take), wish), answers, wishes)
    }

    fn joints(nanos: i64, position: f64) -> JointState {
        let header = Header { stamp: stamp(nanos), frame_id: String::new() };
        JointState {
            header,
            name: vec!["a".to_owned(), "b".to_owned()],
            position: vec![position; 2],
            ..JointState::default()
        }
    }

    fn solve(nanos: i64, hypotheses: usize) -> DiagnosticArray {
        let pairs = [("steps", "7".to_owned()), ("took_ms", "8.5".to_owned()), ("hypotheses", hypotheses.to_string())];
        let values = pairs.into_iter().map(|(key, value)| KeyValue { key: key.to_owned(), value }).collect();
        let status = DiagnosticStatus { name: "solve".to_owned(), values, ..DiagnosticStatus::default() };
        DiagnosticArray { header: Header { stamp: stamp(nanos), frame_id: String::new() }, status: vec![status] }
    }

    #[test]
    fn an_answer_is_told_when_it_is_whole_whatever_the_order() {
        let (mut assembler, answers, wishes) = assembler();
        assembler.seen_joints(&JointState { name: vec!["b".to_owned()], ..joints(1, 0.0) });
        assembler.hypothesis(1, joints(1, 0.2));
        assembler.deviation(joints(1, 0.05));
        assembler.statistics(&solve(1, 2));
        assert_eq!(wishes.try_recv(), Ok(2));
        assert!(answers.try_recv().is_err(), "the best is missing");
        assembler.hypothesis(0, joints(1, 0.1));
        let shown = answers.try_recv().expect("whole");
        assert_eq!(shown.answer.joints, [vec![0.1; 2], vec![0.2; 2]]);
        assert_eq!(shown.answer.deviation, [0.05; 2]);
        assert_eq!(
            (shown.observed, shown.answer.statistics.steps, shown.answer.took),
            (vec![false, true], 7, Duration::from_micros(8500))
        );
        assembler.hypothesis(0, joints(0, 0.3));
        assert!(answers.try_recv().is_err(), "it is older");
    }

    #[test]
    fn what_is_not_whole_is_told_when_something_newer_comes() {
        let (mut assembler, answers, _wishes) = assembler();
        assembler.statistics(&solve(1, 3));
        assembler.hypothesis(0, joints(1, 0.1));
        assembler.hypothesis(2, joints(1, 0.3));
        assembler.hypothesis(0, joints(2, 0.4));
        let shown = answers.try_recv().expect("followed by another");
        assert_eq!((shown.stamp_nanos, shown.answer.joints, shown.hypotheses), (1, vec![vec![0.1; 2]], 3));
    }

    #[test]
    fn refusals_are_those_of_the_node_that_is_watched() {
        let (mut assembler, ..) = assembler();
        let status = |name: &str, count: &str| {
            let values = vec![KeyValue { key: "refused no_names".to_owned(), value: count.to_owned() }];
            DiagnosticStatus { name: name.to_owned(), values, ..DiagnosticStatus::default() }
        };
        let status = vec![
            status("thalweg: Input joint_states", "4"),
            status("thalweg: Input points", "2"),
            status("other: Input joint_states", "9"),
        ];
        assembler.diagnostics(&DiagnosticArray { status, ..DiagnosticArray::default() });
        assert_eq!(assembler.shown.refusals, 6);
    }

    /// What a node tells of a person of two joints.
    fn told_of(id: &str, arrival: u64, position: f64) -> String {
        let (joints, observed) = (vec![position; 2], vec![true, false]);
        let person = ShownPerson { id: id.into(), arrival, joints, observed, root: None };
        write_body(&person, &["a", "b"].map(str::to_owned))
    }

    #[test]
    fn everybody_is_shown_with_who_leads_until_they_go() {
        let (mut assembler, answers, _wishes) = assembler();
        let shown = |assembler: &mut Assembler, nanos: i64| {
            assembler.statistics(&solve(nanos, 1));
            assembler.hypothesis(0, joints(nanos, 0.1));
            let shown = answers.try_recv().expect("whole");
            shown.people.iter().map(|person| (person.id.to_string(), person.joints[0])).collect::<Vec<_>>()
        };
        assert!(shown(&mut assembler, 1).is_empty(), "nobody is told apart");
        assembler.body(&told_of("b9", 2, 0.9));
        assembler.body(&told_of("b7", 1, 0.7));
        assembler.body("what is none");
        let person = |id: &str, position: f64| (id.to_owned(), position);
        assert_eq!(shown(&mut assembler, 2), [person("b7", 0.7), person("b9", 0.9)]);
        assembler.body(&told_of("b9", 2, 0.8));
        assert!(answers.try_recv().is_err(), "who leads has told a moment ago");
        assert_eq!(shown(&mut assembler, 3), [person("b7", 0.7), person("b9", 0.8)]);
        std::thread::sleep(LATE + Duration::from_millis(20));
        assembler.body(&told_of("b9", 2, 0.6));
        assert_eq!(answers.try_recv().expect("who leads is late").people[1].joints[0], 0.6);
        assembler.people(r#"{"ids": ["b9"], "others": 0}"#);
        assert_eq!(shown(&mut assembler, 4), [person("b9", 0.6)]);
        assembler.people("what is none");
        assembler.people(r#"{"ids": [], "others": 0}"#);
        assert!(shown(&mut assembler, 5).is_empty());
    }
}
