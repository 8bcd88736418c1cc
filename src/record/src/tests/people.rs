//! Several people in one recording.

use super::*;
use crate::session::MOST_PEOPLE;

/// A solve of somebody, [`solve`] otherwise.
fn of(id: &str, arrival: u64, index: u64) -> Solve {
    Solve { person: Some(Person { id: id.to_owned(), arrival }), ..solve(index) }
}

fn put(recorder: &Recorder, solves: &[Solve]) {
    solves.iter().for_each(|solve| recorder.put(Box::new(solve.clone())));
}

/// Identity, number of the arrival, number of the solve, whether it follows from the one before.
fn whose(solves: &[Solve]) -> Vec<(&str, u64, u64, bool)> {
    fn of_one(solve: &Solve) -> (&str, u64, u64, bool) {
        let person = solve.person.as_ref().expect("somebody's");
        (person.id.as_str(), person.arrival, solve.index, solve.before == Before::Chained)
    }
    solves.iter().map(of_one).collect()
}

#[test]
fn each_goes_on_from_their_own_solves_and_a_new_file_tells_all_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let recorder = Recorder::start(options(folder.path())).expect("a thread");
    recorder.begin(setup());
    let first = [of("b7", 1, 1), of("b9", 2, 1), of("b9", 2, 2), of("b7", 1, 2), of("b7", 1, 3)];
    put(&recorder, &first);
    let (read_back, damage) = read(&recorder.save().expect("there is a disk"));
    assert_eq!(damage, Damage::default());
    assert_eq!(
        whose(&read_back),
        [("b7", 1, 1, false), ("b9", 2, 1, false), ("b9", 2, 2, true), ("b7", 1, 2, true), ("b7", 1, 3, true)]
    );
    for (got, put) in read_back.iter().zip(&first) {
        let before = if put.index == 1 { put.before.clone() } else { Before::Chained };
        assert_same(got, &Solve { before, ..put.clone() });
    }
    // In the next file nothing of before is known; and the number of the solve alone does not chain two stays.
    put(&recorder, &[of("b9", 2, 3), of("b7", 1, 4), of("b7", 5, 5), of("b7", 5, 6)]);
    let (read_back, _) = read(&recorder.save().expect("there is a disk"));
    assert_eq!(whose(&read_back), [("b9", 2, 3, false), ("b7", 1, 4, false), ("b7", 5, 5, false), ("b7", 5, 6, true)]);
    let mut summary = Summary::default();
    for file in recordings(folder.path()).expect("readable") {
        summary.add(&file).expect("whole");
    }
    assert_eq!(summary.people.into_iter().collect::<Vec<_>>(), [("b7".to_owned(), 6), ("b9".to_owned(), 3)]);
    assert_eq!(summary.topics["/left/thalweg/people/b9/solve"], 3);
}

#[test]
fn what_a_killed_recorder_left_is_recovered_with_whose_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let recorder = Recorder::start(options(folder.path())).expect("a thread");
    recorder.begin(setup());
    put(&recorder, &[of("b7", 1, 1), of("b9", 2, 1), of("b7", 1, 2)]);
    let file = recorder.report().file.expect("recording");
    wait_for("a flush", || read(&file).0.len() == 3);
    let left = folder.path().join("left.mcap.active");
    fs::copy(&file, &left).expect("there is room");
    let recovered = recover(&left, None).expect("what was flushed is whole");
    let (solves, _) = read(&recovered.path);
    assert_eq!(whose(&solves), [("b7", 1, 1, false), ("b9", 2, 1, false), ("b7", 1, 2, true)]);
}

#[test]
fn who_comes_and_goes_leaves_no_file_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let recorder = Recorder::start(options(folder.path())).expect("a thread");
    recorder.begin(setup());
    for arrival in 1..=200 {
        put(&recorder, &[of("b7", arrival, 1), of("b7", arrival, 2)]);
    }
    recorder.end();
    let files = recordings(folder.path()).expect("readable");
    assert_eq!((files.len(), active(folder.path()).len()), (1, 0));
    let (solves, _) = read(&files[0]);
    assert_eq!(solves.len(), 400, "nothing is lost");
    assert_eq!(whose(&solves)[398..], [("b7", 200, 1, false), ("b7", 200, 2, true)]);
}

#[test]
fn a_recording_goes_on_in_another_when_too_many_people_were_in_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let recorder = Recorder::start(RecordOptions { queue: 10_000, ..options(folder.path()) }).expect("a thread");
    recorder.begin(setup());
    let last = 2 * MOST_PEOPLE as u64 + 1;
    for person in 1..=last {
        put(&recorder, &[of(&format!("b{person}"), person, 1), of(&format!("b{person}"), person, 2)]);
        // Somebody who stays all the time.
        put(&recorder, &[of("stays", 0, person)]);
    }
    wait_for("all written", || recorder.report().written == 3 * last);
    assert_eq!(active(folder.path()).len(), 1, "one file is open");
    recorder.end();
    let report = recorder.report();
    assert_eq!((report.segments, report.dropped, report.failure), (3, 0, None));
    let files = recordings(folder.path()).expect("readable");
    let folders: std::collections::BTreeSet<_> = files.iter().map(|file| file.parent()).collect();
    assert_eq!((files.len(), folders.len()), (3, 3), "{files:?}");
    let mut summary = Summary::default();
    let mut firsts = Vec::new();
    for file in &files {
        summary.add(file).expect("whole");
        let (solves, _) = read(file);
        let people: std::collections::BTreeSet<_> = whose(&solves).iter().map(|(id, ..)| (*id).to_owned()).collect();
        assert!(people.len() <= MOST_PEOPLE, "{}", people.len());
        firsts.push(whose(&solves).iter().find(|(id, ..)| *id == "stays").map(|(.., is_chained)| *is_chained));
    }
    assert_eq!((summary.solves, summary.people.len() as u64), (3 * last, last + 1));
    assert_eq!(firsts, [Some(false); 3], "each file tells of everybody where the engine came from");
}
