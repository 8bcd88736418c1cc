//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser};
use thalweg_node::options::bounded;
use thalweg_view::headless::Shots;
use thalweg_view::source::DemoOptions;

/// Shows the body that a node finds, its other possibilities, and how well the solver does.
///
/// Without --recording or --demo it follows a node by its topics; that needs a build with ROS 2, and takes
/// `--ros-args` as every node does.
#[derive(Debug, Parser)]
#[command(name = "thalweg_view", version)]
pub(crate) struct Arguments {
    /// Node to follow: its name, relative to the namespace or absolute.
    #[arg(long, default_value = "thalweg")]
    node: String,
    /// Recording to play instead: a file, or a folder of files.
    #[arg(long, value_name = "PATH", conflicts_with = "demo")]
    recording: Option<PathBuf>,
    /// Solve the bundled motion instead, with joints hidden.
    #[arg(long)]
    demo: bool,
    /// Joints that the demo hides: arms, legs, left_arm, right_leg, trunk, ..
    #[arg(long, value_name = "GROUP", default_value = "arms")]
    hide: String,
    /// Hypotheses that the demo solves for.
    #[arg(long, value_name = "K", default_value_t = 8)]
    hypotheses: u16,
    /// Steps of each of the demo's solves; without, the node's default time rules.
    #[arg(long, value_name = "N")]
    steps: Option<u32>,
    /// The body to draw; by default the one that is shipped for the task.
    #[arg(long, value_name = "FILE")]
    pub(crate) urdf: Option<PathBuf>,
    /// Width and height, logical pixels.
    #[arg(long, value_name = "WxH", default_value = "960x540")]
    pub(crate) size: Size,
    /// Where screenshots and GIFs that are taken by key go.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) pictures: PathBuf,
    /// Draw without a window: with --snapshot or --gif.
    #[arg(long, requires = "shots")]
    pub(crate) headless: bool,
    #[command(flatten)]
    shots: ShotArguments,
}

/// What is drawn without a window.
#[derive(Debug, clap::Args)]
#[group(id = "shots", multiple = true, requires = "headless")]
struct ShotArguments {
    /// PNG to write.
    #[arg(long, value_name = "FILE")]
    snapshot: Option<PathBuf>,
    /// GIF to write; it begins at the moment of the snapshot.
    #[arg(long, value_name = "FILE")]
    gif: Option<PathBuf>,
    /// Moment of the snapshot, seconds from the beginning.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    at: f64,
    /// Length of the GIF, seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 4.0)]
    length: f64,
    /// Pictures a second of the GIF.
    #[arg(long, value_name = "HZ", default_value_t = 10.0)]
    rate: f64,
    /// Pixels for each logical pixel.
    #[arg(long, default_value_t = 1)]
    scale: u32,
    /// Factor by which the GIF is smaller than the snapshot.
    #[arg(long, value_name = "N", default_value_t = 1)]
    reduction: u32,
    /// Hypothesis that is drawn as the body; 1 is the best.
    #[arg(long, value_name = "N", default_value_t = 1)]
    chosen: u16,
}

/// Where the answers come from.
pub(crate) enum Source {
    Topics(String),
    Recording(PathBuf),
    Demo(DemoOptions),
}

impl Source {
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Topics(node) => format!("node {node}"),
            Self::Recording(path) => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
            Self::Demo(options) => format!("demo, {} hidden", options.hide),
        }
    }
}

/// Answers a second of the demo.
const DEMO_RATE: f64 = 30.0;

impl Arguments {
    /// Reads a command line, its numbers bounded; what is rcl's is left out.
    ///
    /// # Errors
    /// What clap says.
    pub(crate) fn read(line: impl Iterator<Item = OsString>) -> Result<Self, clap::Error> {
        let matches = bounded(Self::command()).try_get_matches_from(without_ros(line))?;
        Self::from_arg_matches(&matches)
    }

    pub(crate) fn source(&self) -> Source {
        if let Some(path) = &self.recording {
            return Source::Recording(path.clone());
        }
        if !self.demo {
            return Source::Topics(self.node.clone());
        }
        let (hide, hypotheses) = (self.hide.clone(), usize::from(self.hypotheses));
        Source::Demo(DemoOptions { hide, hypotheses, rate: DEMO_RATE, steps: self.steps })
    }

    pub(crate) fn shots(&self) -> Shots {
        let shots = &self.shots;
        let (width, height) = self.size.0;
        Shots {
            size: (width * shots.scale, height * shots.scale),
            scale: shots.scale as f32,
            snapshot: shots.snapshot.clone(),
            at: Duration::from_secs_f64(shots.at),
            gif: shots.gif.clone(),
            length: Duration::from_secs_f64(shots.length),
            rate: shots.rate,
            reduction: shots.reduction,
            chosen: usize::from(shots.chosen) - 1,
        }
    }
}

/// Width and height.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size(pub(crate) (u32, u32));

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let side = |text: &str| text.parse().ok().filter(|side| (64..=8192).contains(side));
        let sides = text.split_once('x').and_then(|(width, height)| Some((side(width)?, side(height)?)));
        sides.map(Self).ok_or_else(|| format!("got '{text}'; expected WIDTHxHEIGHT, each from 64 to 8192"))
    }
}

/// What is ours of a command line: rcl reads what stands between `--ros-args` and `--`.
pub(crate) fn without_ros(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut is_ros = false;
    let ours = arguments.filter(|argument| {
        match argument.to_str() {
            Some("--ros-args") => is_ros = true,
            Some("--") if is_ros => {
                is_ros = false;
                return false;
            }
            _ => {}
        }
        !is_ros
    });
    ours.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::read(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn a_line_as_launch_writes_it() {
        let line =
            "thalweg_view --urdf a.urdf --ros-args --log-level info --ros-args -r __node:=thalweg_view --params-file c";
        let arguments = read(line).expect("ours is the URDF");
        assert_eq!(arguments.urdf, Some(PathBuf::from("a.urdf")));
        assert!(matches!(arguments.source(), Source::Topics(node) if node == "thalweg"));
        assert!(read("x --ros-args -r a:=b -- --demo").expect("ours goes on").demo);
    }

    #[test]
    fn every_option_that_is_a_number_is_bounded() {
        thalweg_tests::options::assert_bounded(&bounded(Arguments::command()));
    }

    #[test]
    fn nonsense_is_refused() {
        Arguments::command().debug_assert();
        for line in
            ["x --size 960", "x --size 1x1", "x --headless", "x --demo --recording a", "x --rate 0 --headless --gif a"]
        {
            assert!(read(line).is_err(), "{line}");
        }
        let shots = read("x --demo --headless --snapshot a.png --scale 2").expect("fits").shots();
        assert_eq!((shots.size, shots.scale), ((1920, 1080), 2.0));
    }
}
