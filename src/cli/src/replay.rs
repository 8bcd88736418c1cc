//! `thalweg replay`: recorded solves, done again, or the joint states of any bag, solved.

mod bag;

use std::path::{Path, PathBuf};

use clap::Args;
use thalweg::Registry;
use thalweg_node::solver::{Difference, Repetition, Replayer};
use thalweg_record::{Damage, Reader};

use crate::console::print;
use crate::failure::InputError;
use crate::recordings;

/// Options of `thalweg replay`.
#[derive(Args)]
pub(crate) struct ReplayArguments {
    /// Recording or folder of them; with --task, any bag of rosbag2 with joint states: a file, or its folder
    recording: PathBuf,
    /// Solve the joint states of a bag for this task, with the node's default parameters
    #[arg(long)]
    task: Option<String>,
    /// Topic of the joint states [default: the only one]
    #[arg(long, requires = "task")]
    topic: Option<String>,
    /// Steps for each message of a bag
    #[arg(long, requires = "task", default_value_t = 20)]
    steps: u32,
    /// Folder into which the solves of a bag are recorded
    #[arg(long, requires = "task")]
    output: Option<PathBuf>,
    /// Folder of the weights, in place of the recorded one
    #[arg(long)]
    models: Option<PathBuf>,
    /// Weights of a landscape that the node may have loaded, beside those of the folder; may be repeated. With --task
    /// the one to descend on, or identity, or random
    #[arg(long, value_name = "FILE")]
    landscape: Vec<PathBuf>,
    /// Weights of an amortised start that the node may have loaded, in the same way; with --task the one to begin at,
    /// or none
    #[arg(long, value_name = "FILE")]
    start: Vec<PathBuf>,
}

/// A solve that came out otherwise, or could not be repeated: the command fails with code 5.
#[derive(Debug, thiserror::Error)]
#[error(
    "{different} of {solves} solves came out otherwise; the first: solve {index}, {what}[{place}] was {recorded}, is {repeated}"
)]
pub(crate) struct NotReproduced {
    different: u64,
    solves: u64,
    index: u64,
    what: &'static str,
    place: usize,
    recorded: f64,
    repeated: f64,
}

/// What came of the solves of recordings.
#[derive(Clone, Copy, Default)]
struct Repeated {
    same: u64,
    different: u64,
    unanchored: u64,
    first: Option<(u64, Difference)>,
}

/// Repeats every solve and compares bit for bit.
pub(crate) fn run(arguments: &ReplayArguments, registry: &Registry) -> anyhow::Result<()> {
    if let Some(task) = &arguments.task {
        return bag::run(&arguments.recording, task, arguments, registry);
    }
    let mut all = Repeated::default();
    let gathered = recordings::each(&arguments.recording, |file| {
        let (repeated, damage) = repeat(file, arguments, registry)?;
        print(&format!("{}: {}\n", file.display(), repeated.words(damage)))?;
        all.add(repeated);
        Ok(damage)
    })?;
    if let Some((index, Difference { what, place, recorded, repeated })) = all.first {
        let (different, solves) = (all.different, all.same + all.different);
        return Err(NotReproduced { different, solves, index, what, place, recorded, repeated }.into());
    }
    gathered.outcome()?;
    if all.same == 0 {
        let why = "no solve could be repeated; expected at least one that is whole".to_owned();
        return Err(InputError::Bag { path: arguments.recording.clone(), why }.into());
    }
    Ok(())
}

fn repeat(file: &Path, arguments: &ReplayArguments, registry: &Registry) -> anyhow::Result<(Repeated, Damage)> {
    let mut reader = Reader::open(file)?;
    let files = [arguments.landscape.as_slice(), &arguments.start].concat();
    let mut replayer = Replayer::new(registry, reader.setup(), arguments.models.as_deref(), &files)?;
    let mut repeated = Repeated::default();
    for solve in reader.solves() {
        let solve = solve?;
        repeated.count(solve.index, replayer.repeat(&solve)?);
    }
    Ok((repeated, reader.damage()))
}

impl Repeated {
    fn count(&mut self, index: u64, repetition: Repetition) {
        match repetition {
            Repetition::Same => self.same += 1,
            Repetition::Unanchored => self.unanchored += 1,
            Repetition::Different(difference) => {
                self.different += 1;
                self.first.get_or_insert((index, difference));
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.same += other.same;
        self.different += other.different;
        self.unanchored += other.unanchored;
        self.first = self.first.or(other.first);
    }

    /// In words; what is damaged is not called reproduced, for nobody knows what it was.
    fn words(&self, damage: Damage) -> String {
        let what = if damage.has_lost() { "the same, of what is left" } else { "reproduced bit for bit" };
        let mut words = format!("{} solves, {} {what}", self.same + self.different, self.same);
        if self.different > 0 {
            words += &format!(", {} different", self.different);
        }
        if self.unanchored > 0 {
            words += &format!(", {} not tried: they go on from a solve that is lost", self.unanchored);
        }
        if damage.has_lost() {
            words += &format!("; {damage}");
        }
        words
    }
}
