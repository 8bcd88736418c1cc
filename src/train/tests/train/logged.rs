//! What recordings give a training, and what is left out.

use tch::{Device, Kind, Tensor};
use thalweg_engine::landscape::{Landscape, LandscapeShape};
use thalweg_task::{TaskSpec, numbers};
use thalweg_train::{Data, Logbook, Logged, LoggedOptions, Page, PseudoTruth, Visited};

use super::{load, only, tiny};
use thalweg_record::Person;
use thalweg_tests::recording::{record, record_of};

const OPTIONS: LoggedOptions = LoggedOptions { pseudo_weight: 0.5, points: 500, seed: 1 };

fn landscape(seed: u64) -> Landscape {
    let shape = LandscapeShape { z: 8, x: 3, hidden: 16 };
    Landscape::random(&shape, seed, Kind::Float, Device::Cpu).unwrap()
}

fn logged(spec: &TaskSpec, start: &Landscape) -> Logged {
    let folder = tempfile::tempdir().unwrap();
    let file = record(folder.path(), landscape(1), 100);
    let mut book = Logbook::new(spec, (start.id(), start.dim()));
    book.add(&file).unwrap();
    book.close(&OPTIONS).unwrap()
}

#[test]
fn a_recording_is_divided_by_time_and_its_points_are_visited_again() {
    let task = load().unwrap();
    let logged = logged(task.spec(), &landscape(1));
    let rows = [&logged.training, &logged.validation, &logged.held_out].map(|obs| obs.rows());
    assert_eq!(rows, [70, 10, 20]);
    let Visited { z, row } = logged.visited.as_ref().unwrap();
    assert_eq!((z.size(), row.size()), (vec![500, 8], vec![500]));
    assert!(row.max().int64_value(&[]) < 70, "points belong to what is trained on");
    assert_eq!((logged.counts.solves, logged.counts.visited, logged.habits.steps), (100, 70, 12));
    assert_eq!((logged.habits.rate, logged.habits.hypotheses), (0.1, 4));
    let joints = logged.training.joints.as_ref().unwrap();
    assert_eq!(joints.count(), 2 * 70, "the third joint was never seen");
}

#[test]
fn solves_of_several_people_serve_as_those_of_one() {
    let (task, start) = (load().unwrap(), landscape(1));
    let folder = tempfile::tempdir().unwrap();
    let whose = |index| Some(Person { id: format!("b{}", index % 3), arrival: 1 + index % 3 });
    let file = record_of(folder.path(), landscape(1), 100, whose);
    let mut book = Logbook::new(task.spec(), (start.id(), start.dim()));
    book.add(&file).unwrap();
    let (several, one) = (book.close(&OPTIONS).unwrap(), logged(task.spec(), &start));
    assert_eq!(several.counts, one.counts);
    let joints = |logged: &Logged| numbers::<f32>(logged.training.joints.as_ref().unwrap().value());
    assert_eq!(joints(&several), joints(&one));
}

#[test]
fn points_on_another_landscape_mean_nothing() {
    let task = load().unwrap();
    let logged = logged(task.spec(), &landscape(2));
    assert!(logged.visited.is_none() && logged.counts.visited == 0);
    assert_eq!(logged.training.rows(), 70, "what was seen serves all the same");
}

#[test]
fn pseudo_truth_says_something_of_what_was_not_seen_only() {
    let task = load().unwrap();
    let logged = logged(task.spec(), &landscape(1));
    let PseudoTruth { guess, weight } = logged.pseudo.as_ref().expect("some solves settle and agree");
    assert_eq!((weight.size()[0], guess.rows()), (70, 70));
    assert!(weight.max().double_value(&[]) <= 0.5 && weight.min().double_value(&[]) >= 0.0);
    let guessed = logged.counts.guessed;
    assert!((1..=35).contains(&guessed), "half of the solves fit worse than the median: {guessed}");
    let observed = guess.joints.as_ref().unwrap().observed().sum_dim_intlist(0, false, Kind::Int64);
    let observed = Vec::<i64>::try_from(observed).unwrap();
    assert!(observed[0] == 0 && observed[1] == 0 && observed[2] > 0, "{observed:?}");
}

#[test]
fn other_observations_are_mixed_in_evenly() {
    let task = load().unwrap();
    let logged = logged(task.spec(), &landscape(1));
    let others = Data {
        held_out: Some(super::joints_of_arms(40, 2)),
        training: super::joints_of_arms(300, 1),
        ..Data::default()
    };
    let mixed = logged.mixed_with(&others);
    assert_eq!(mixed.training.rows(), 4 * 70 + 300, "recorded rows are repeated until both parts are alike");
    assert_eq!(mixed.held_out.as_ref().unwrap().rows(), 10 + 10);
    let pseudo = mixed.pseudo.as_ref().unwrap();
    assert_eq!((pseudo.guess.rows(), pseudo.weight.size()[0]), (580, 580));
    assert_eq!(pseudo.weight.narrow(0, 280, 300).abs().max().double_value(&[]), 0.0, "complete rows need no guess");
    assert_ne!(mixed.fingerprint(), Data { pseudo: None, ..logged.mixed_with(&others) }.fingerprint());
}

#[test]
fn visited_points_and_pseudo_truth_change_what_is_learned() {
    let task = load().unwrap();
    let seen = || logged(task.spec(), &landscape(1));
    let id = |data: &Data| {
        let folder = tempfile::tempdir().unwrap();
        let start = folder.path().join("start.safetensors");
        landscape(1).save(&start, task.spec(), &[]).unwrap();
        let options = thalweg_train::ThetaOptions { start: Some(start), buffers: 2, ..tiny(None) };
        thalweg_train::train(&options, &load, data, &mut |_| true).unwrap().id().to_owned()
    };
    let others = only(64, 3);
    let whole = seen().mixed_with(&others);
    let without_points = Data { visited: None, ..seen().mixed_with(&others) };
    let without_guess = Data { pseudo: None, ..seen().mixed_with(&others) };
    let all = [id(&whole), id(&without_points), id(&without_guess)];
    assert!(all[0] != all[1] && all[0] != all[2] && all[1] != all[2], "{all:?}");
    assert_eq!(all[0], id(&seen().mixed_with(&others)), "the same data teach the same");
}

#[test]
fn l5_l9_what_is_foreign_blind_or_damaged_is_left_out_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let file = record(folder.path(), landscape(1), 40);
    let task = load().unwrap();
    let body = TaskSpec { fingerprint: "another".to_owned(), ..task.spec().clone() };
    let mut book = Logbook::new(&body, ("identity", 3));
    book.add(&file).unwrap();
    let error = book.close(&OPTIONS).unwrap_err().to_string();
    assert_eq!(error, "no recorded observations; expected at least one");
    // Flip bits in the middle: what is whole serves, what is not is counted.
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].iter_mut().for_each(|byte| *byte ^= 0x55);
    std::fs::write(&file, bytes).unwrap();
    let second = record(&folder.path().join("second"), landscape(1), 40);
    let mut book = Logbook::new(task.spec(), ("identity", 3));
    book.add(&file).unwrap();
    book.add(&second).unwrap();
    let counts = book.close(&OPTIONS).unwrap().counts;
    assert!(counts.damaged > 0 && counts.files == 2 && (40..80).contains(&counts.solves), "{counts:?}");
}

#[test]
fn several_guesses_for_each_observation_do_not_go_with_recordings() {
    let data = Data {
        visited: Some(Visited {
            z: Tensor::zeros([1, 8], (Kind::Float, Device::Cpu)),
            row: Tensor::from_slice(&[0i64]),
        }),
        ..only(8, 1)
    };
    let mut options = tiny(None);
    options.collection.best_of = 2;
    let error = thalweg_train::train(&options, &load, &data, &mut |_| true).unwrap_err().to_string();
    assert_eq!(error, "best_of: got 2, expected 1 with what a running node recorded");
}

/// What does not fit into the memory that is given is left out and counted, whatever file it is in.
#[test]
fn memory_is_bounded_over_all_files() {
    let task = load().unwrap();
    let start = landscape(1);
    let folders = [1, 2].map(|_| tempfile::tempdir().unwrap());
    let files = folders.each_ref().map(|folder| record(folder.path(), landscape(1), 100));
    let within = |bytes: u64| {
        let mut book = Logbook::new(task.spec(), (start.id(), start.dim())).with_memory(bytes);
        for file in &files {
            book.add(file).unwrap();
        }
        book.close(&OPTIONS).unwrap().counts
    };
    let all = within(u64::MAX);
    assert_eq!((all.solves, all.beyond), (200, 0));
    let some = within(50_000);
    assert!(some.solves > 20 && some.beyond > 0 && some.solves + some.beyond == 200, "{some:?}");
}

/// Files that two ranks read, each with room of its own, give what one process takes of them, whatever the memory.
#[test]
fn pages_of_other_ranks_are_taken_as_if_read_here() {
    let task = load().unwrap();
    let start = landscape(1);
    let folders = [1, 2, 3].map(|_| tempfile::tempdir().unwrap());
    let lengths = [60, 90, 70];
    let files: Vec<_> =
        folders.iter().zip(lengths).map(|(folder, count)| record(folder.path(), landscape(1), count)).collect();
    let book = |bytes| Logbook::new(task.spec(), (start.id(), start.dim())).with_memory(bytes);
    for bytes in [u64::MAX, 120_000, 60_000, 30_000] {
        let mut alone = book(bytes);
        for file in &files {
            alone.add(file).unwrap();
        }
        let alone = alone.close(&OPTIONS).unwrap();
        let mut joined = book(bytes);
        let mut rooms = [joined.room(); 2];
        let pages: Vec<Vec<u8>> = files
            .iter()
            .zip([1, 0, 1])
            .map(|(file, owner): (_, usize)| joined.read(file, &mut rooms[owner]).unwrap().to_bytes().unwrap())
            .collect();
        pages.iter().for_each(|page| joined.take(Page::of_bytes(page).unwrap()));
        let joined = joined.close(&OPTIONS).unwrap();
        assert_eq!((joined.counts, joined.habits), (alone.counts, alone.habits), "{bytes}");
        assert!(alone.counts.beyond > 0 || bytes == u64::MAX, "{bytes}: {:?}", alone.counts);
        let data = [&joined, &alone].map(|logged| logged.mixed_with(&only(8, 1)).fingerprint());
        assert_eq!(data[0], data[1], "{bytes}");
    }
    let error = Page::of_bytes(b"no page").unwrap_err().to_string();
    assert!(error.ends_with("expected the same program on all ranks"), "{error}");
}
