//! `thalweg-lab bench trackers`: real motion as trackers of bodies see it, and every way to find body and root in it.

pub(crate) mod limbs;
mod nearest;
mod players;
mod rays;
mod report;
pub(crate) mod scenes;

use std::path::PathBuf;

use clap::Args;
use thalweg_body_pose::kinematics::Rotations;
use thalweg_cli::console::print;
use thalweg_task::Root;

use players::{METHODS, Method, Player};
use report::Row;
use scenes::{HOLES, Scene, TABLES};

use crate::clips::ClipArguments;

/// What `--help` prints below the options.
const HELP: &str = "\
Clips that neither the model nor the landscape has seen are put before a tracker: each person has a size
and limbs of other lengths, stands and is turned anywhere, and walks; keypoints are where the table says,
off by what trackers are off by, and some are not seen. Errors are those of hidden joints in degrees, of
hidden and of seen places in millimetres in the tracker's frame, and of root and size.

Examples:
  thalweg-lab bench trackers
  thalweg-lab bench trackers --rays --tables coco_17
  thalweg-lab bench trackers --data FOLDER --set validation --frames 60";

/// Options of `thalweg-lab bench trackers`.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct TrackerArguments {
    #[command(flatten)]
    source: ClipArguments,
    /// Tables of keypoints, by their names
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_values_t = TABLES.map(str::to_owned))]
    tables: Vec<String>,
    /// Methods, by their keys; all where none is named
    #[arg(long, value_name = "KEY", value_delimiter = ',', value_parser = players::key)]
    methods: Vec<String>,
    /// Most frames of a clip, at 15 a second
    #[arg(long, default_value_t = 60)]
    frames: u32,
    /// Steps of a solve
    #[arg(long, default_value_t = 6)]
    steps: u32,
    /// Radians that a metre counts as; 0 is the task's own choice
    #[arg(long, default_value_t = 0.0)]
    point_weight: f64,
    /// The same people before one RGB camera, which sees no depth
    #[arg(long)]
    rays: bool,
    /// Where the results go
    #[arg(long, value_name = "DIR", default_value = "out/bench_trackers")]
    output: PathBuf,
}

impl TrackerArguments {
    fn wants(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.methods.iter().any(|key| key == method.key)
    }
}

/// Plays, measures, writes and prints.
///
/// # Errors
/// What the data, the weights or the engine refuse.
pub(crate) fn run(arguments: &TrackerArguments) -> anyhow::Result<()> {
    thalweg_engine::pin_threads(1);
    let _no_grad = tch::no_grad_guard();
    let clips = scenes::load(&arguments.source, arguments.frames)?;
    anyhow::ensure!(!clips.is_empty(), "no clip lasts for a second");
    if arguments.rays {
        return print(&rays::run(arguments, &clips)?);
    }
    let mut rows = Vec::new();
    for table in &arguments.tables {
        for hole in &HOLES {
            let scenes = clips.iter().enumerate().map(|(seed, clip)| Scene::new(clip, table, hole, seed as u64));
            let scenes = scenes.collect::<anyhow::Result<Vec<_>>>()?;
            for method in METHODS.iter().filter(|method| arguments.wants(method)) {
                let mut player = Player::new(method, table, arguments)?;
                let mut row = Row::new(table, hole.name, method.name);
                for scene in &scenes {
                    let add = &mut |frame: usize, found: (&Rotations, &Root), seconds: f64| {
                        row.add(scene, frame, found, seconds)
                    };
                    let sides = player.play(&scene.seen, add)?;
                    row.add_sides(sides);
                }
                tracing::info!("{table}, {}, {}", hole.name, method.name);
                rows.push(row);
            }
        }
    }
    print(&report::write(arguments, clips.len(), &rows)?)
}
