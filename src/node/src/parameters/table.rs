//! The one table of parameters.

use thalweg_task::ParameterRange::Doubles;
use thalweg_task::ParameterValue::{Bool, Double, DoubleArray, Integer};
use thalweg_task::{Change, Entry, ParameterRange, ParameterSpec, ParameterValue, limits};

use crate::intake::{Fit, MAX_PIXELS, MaskMarks, MaskUse, NAME_BYTES, WHOLE};
use crate::parameters::{Durability, History, HypothesisOrder, ImageTransport, Method, PointsType, Reliability, Word};
use Change::{AnyTime, ReadOnly, Unconfigured};
use thalweg::{Registry, defaults};
use thalweg_engine::{AdamConfig, EngineConfig};

/// Libraries with tasks: read before the other parameters, for those tasks have some.
pub const PLUGINS: &str = "plugins";

/// Devices that can be asked for.
const DEVICES: [&str; 7] = ["cpu", "cuda", "cuda:N", "gpu", "gpu:N", "gpu:NAME", "auto"];

/// Everything that can be set: the node's parameters, those of all tasks, and the quality of
/// service of each input.
///
/// `input_topics`: fully resolved names, as `/left/joint_states`.
#[must_use]
pub fn full_table(registry: &Registry, input_topics: &[String]) -> Vec<ParameterSpec> {
    let tasks = registry.entries().iter().flat_map(task_table);
    let inputs = input_topics.iter().flat_map(|topic| qos_table(topic));
    node_table(registry).into_iter().chain(tasks).chain(inputs).collect()
}

/// The node's own parameters.
#[must_use]
pub fn node_table(registry: &Registry) -> Vec<ParameterSpec> {
    [start(registry), search(), budget(), input(), images(), output(), recording(), service()].concat()
}

/// The parameters of one task, below its name.
#[must_use]
pub fn task_table(entry: &Entry) -> Vec<ParameterSpec> {
    let below = |spec: ParameterSpec| ParameterSpec { name: format!("{}.{}", entry.name, spec.name).into(), ..spec };
    (entry.parameters)().into_iter().map(below).collect()
}

/// The quality of service of one input, under the names that rclcpp has for its overrides: sensor data.
#[must_use]
pub fn qos_table(topic: &str) -> Vec<ParameterSpec> {
    let depth = "How many messages are kept until they are taken; the newest is solved.";
    qos_rows(&format!("{topic}.subscription"), Reliability::BestEffort, (5, depth))
}

/// The quality of service of `/clock`, as rclcpp has it.
#[must_use]
pub fn clock_qos_table() -> Vec<ParameterSpec> {
    let depth = "How many messages are kept until they are taken.";
    qos_rows("/clock.subscription", Reliability::BestEffort, (1, depth))
}

/// The quality of service of one output.
#[must_use]
pub fn publisher_qos_table(topic: &str) -> Vec<ParameterSpec> {
    let depth = "How many messages are kept until they are sent.";
    qos_rows(&format!("{topic}.publisher"), Reliability::Reliable, (10, depth))
}

fn qos_rows(end: &str, reliability: Reliability, (depth, what): (i64, &'static str)) -> Vec<ParameterSpec> {
    let name = |policy: &str| format!("qos_overrides.{end}.{policy}");
    let choice = |policy: &str, default: &str, range: ParameterRange, description: &'static str| ParameterSpec {
        name: name(policy).into(),
        ..row("", text(default), ("", range), ReadOnly, description)
    };
    vec![
        choice("reliability", reliability.word(), Reliability::range(), "Whether lost messages are sent again."),
        ParameterSpec { name: name("depth").into(), ..row("", Integer(depth), ("", integer(1, 1000)), ReadOnly, what) },
        choice("history", History::KeepLast.word(), History::range(), "Whether only the newest messages are kept."),
        choice(
            "durability",
            Durability::Volatile.word(),
            Durability::range(),
            "Whether a message from before the start is wanted.",
        ),
    ]
}

fn row(
    name: &'static str,
    default: ParameterValue,
    (unit, range): (&'static str, ParameterRange),
    change: Change,
    description: &'static str,
) -> ParameterSpec {
    ParameterSpec { name: name.into(), default, unit, range, change, description: description.into() }
}

fn text(value: &str) -> ParameterValue {
    ParameterValue::String(value.to_owned())
}

fn integer(from: i64, to: i64) -> ParameterRange {
    ParameterRange::Integer { from, to }
}

fn double(from: f64, to: f64) -> ParameterRange {
    ParameterRange::Double { from, to }
}

/// No unit, no range: for truth values.
const ANY: (&str, ParameterRange) = ("", ParameterRange::Any);

/// Most people at once: what one core solves within a second at a few steps each.
const PEOPLE: i64 = 16;

/// Longest path, bytes: PATH_MAX of Linux.
const PATH: (&str, ParameterRange) = ("", ParameterRange::Text { most: 4096 });

/// Longest name of a frame, bytes: what the input takes for one, too.
const FRAME: (&str, ParameterRange) = ("", ParameterRange::Text { most: NAME_BYTES });

/// Zero, which switches something off, or a number between two others.
fn zero_or(from: f64, to: f64) -> ParameterRange {
    ParameterRange::ZeroOr { from, to }
}

/// Greatest random seed: what the 32 bits of Qt's spin boxes hold. rqt_reconfigure stops at a range beyond them.
const SEED: i64 = i32::MAX as i64;

/// What is said of the device.
const DEVICE: &str = "Device that computes. cuda is cuda:0. gpu is a GPU by Vulkan, Metal or DirectX 12 that runs all steps \
                      of Adam at once, where the task is dense layers; software is used only by number or name (thalweg \
                      doctor lists them). Where it fails, the node goes on natively. auto is cuda:0 when there is one; else \
                      gpu where a measurement of about a second, when the node is configured, finds that it reaches the \
                      loss of the processor in less time; else cpu.";

const START_PULL: &str = "Pull of hypotheses towards what the start proposes, in proportion to the share that is not \
                          observed.";

/// What is loaded, and how the node starts.
fn start(registry: &Registry) -> Vec<ParameterSpec> {
    let devices = ("", ParameterRange::Choice(DEVICES.to_vec()));
    vec![
        row(
            "task",
            text(defaults::TASK),
            ("", ParameterRange::Choice(registry.entries().iter().map(|entry| entry.name).collect())),
            Unconfigured,
            "Task that is solved.",
        ),
        row(
            "models",
            text(""),
            PATH,
            Unconfigured,
            "Folder of the weights. Empty: models in the share folder of the installed package, else ./models.",
        ),
        row(
            PLUGINS,
            text(""),
            PATH,
            ReadOnly,
            "Libraries with tasks of others, separated by colons: files, folders of files, or PACKAGE/TASK of the ament index. \
             They run with all rights of the node.",
        ),
        row(
            "load_timeout",
            Double(defaults::LOAD_TIMEOUT.as_secs_f64()),
            ("s", double(0.1, 3600.0)),
            Unconfigured,
            "Time that the task may take to load; one that takes longer hangs, and the node stays unconfigured.",
        ),
        row(
            "theta",
            text(""),
            PATH,
            Unconfigured,
            "Path of the landscape to descend on, or identity. Empty: identity where the start beside the task's weights \
             leads into x, as shipped; else TASK_theta.safetensors there, if any.",
        ),
        row(
            "start.file",
            text(""),
            PATH,
            Unconfigured,
            "Path of the start, or none: an amortised network, or a landscape with steps of its own. Empty: \
             TASK_start.safetensors in the folder of the weights where it fits the landscape; without it \
             TASK_theta.safetensors where it has such steps, else none.",
        ),
        row(
            "start.weight",
            Double(EngineConfig::default().start_weight),
            ("", zero_or(1e-6, 1000.0)),
            Unconfigured,
            START_PULL,
        ),
        row("device", text("cpu"), devices, Unconfigured, DEVICE),
        row(
            "threads",
            Integer(1),
            ("", integer(1, 64)),
            Unconfigured,
            "Threads that hypotheses are split over where the engine runs natively, and of one tensor operation elsewhere.",
        ),
        row(
            "random_seed",
            Integer(0),
            ("", integer(-1, SEED)),
            Unconfigured,
            "Seed of all random numbers. -1: from the time of the start.",
        ),
        row("autostart", Bool(true), ANY, ReadOnly, "Whether the node configures and activates itself at the start."),
    ]
}

/// How the engine searches.
fn search() -> Vec<ParameterSpec> {
    let engine = EngineConfig::default();
    let count = |count: usize| Integer(i64::try_from(count).unwrap_or(i64::MAX));
    let kinds = ("", Method::range());
    let fresh = "How many hypotheses are drawn anew for each observation, in place of the worst. Below hypotheses.";
    let prior = "Weight of the standard normal prior of the latent, where there is no start: more keeps solutions usual, less \
         fits what is seen.";
    vec![
        row(
            "hypotheses",
            count(engine.hypotheses),
            ("", integer(1, i64::from(limits::HYPOTHESES))),
            AnyTime,
            "Number of hypotheses solved at once.",
        ),
        row(
            "warm_start.enabled",
            Bool(engine.warm_start),
            ANY,
            Unconfigured,
            "Whether an observation starts from the last one's best points.",
        ),
        row(
            "warm_start.fresh",
            count(engine.fresh),
            ("", integer(0, i64::from(limits::HYPOTHESES) - 1)),
            AnyTime,
            fresh,
        ),
        row(
            "optimizer.kind",
            text("auto"),
            kinds,
            Unconfigured,
            "Method of descent. levenberg_marquardt needs a task that gives residuals; auto takes it where it runs \
             natively, else adam.",
        ),
        row(
            "optimizer.rate",
            Double(AdamConfig::default().rate),
            ("", double(1e-6, 10.0)),
            Unconfigured,
            "Step size of adam, in standard deviations of the landscape's latent.",
        ),
        row(
            "time.enabled",
            Bool(true),
            ANY,
            Unconfigured,
            "Whether time counts, where TASK_motion.safetensors lies beside the weights: what was seen of a joint that falls \
             silent loses weight with its age, and hypotheses follow those of before.",
        ),
        row("optimizer.prior_weight", Double(engine.prior_weight), ("", zero_or(1e-6, 1000.0)), Unconfigured, prior),
    ]
}

/// When a solve ends; whichever limit is met first.
fn budget() -> Vec<ParameterSpec> {
    vec![
        row(
            "budget.deadline",
            Double(defaults::DEADLINE.as_secs_f64()),
            ("s", double(0.0005, 10.0)),
            AnyTime,
            "Time that one solve may take; several people of one message share it.",
        ),
        row(
            "budget.steps",
            Integer(0),
            ("", integer(0, i64::from(limits::STEPS))),
            AnyTime,
            "Steps that one solve may take. 0: no limit.",
        ),
        row(
            "budget.tolerance",
            Double(defaults::TOLERANCE),
            ("", zero_or(1e-12, 1.0)),
            AnyTime,
            "Relative decrease of the best loss, in a step of Levenberg-Marquardt or in 50 of Adam, below which a solve \
             ends early. 0.0: off.",
        ),
    ]
}

/// What is taken as an observation.
fn input() -> Vec<ParameterSpec> {
    let timeout = || ("s", double(0.01, 3600.0));
    vec![
        row(
            "input.joint_timeout",
            Double(0.5),
            timeout(),
            AnyTime,
            "Age beyond which the last position of a joint counts as unobserved.",
        ),
        row(
            "input.stale_timeout",
            Double(1.0),
            timeout(),
            AnyTime,
            "Silence after which an input is reported as stale.",
        ),
        row(
            "input.max_joints",
            Integer(i64::from(limits::JOINTS)),
            ("", integer(1, 1_000_000)),
            AnyTime,
            "Joints in one message beyond which it is refused.",
        ),
        row(
            "input.accept_zero_stamp",
            Bool(true),
            ANY,
            AnyTime,
            "Whether a message without a stamp is taken as of now; else it is refused.",
        ),
        row(
            "input.robot_description",
            Bool(true),
            ANY,
            Unconfigured,
            "Whether robot_description, where somebody publishes it, must have the joints of the model; for tasks that \
             bring a URDF along, as task robot does. Where it has others, the node gives up.",
        ),
        row(
            "input.points_type",
            text("cloud"),
            ("", PointsType::range()),
            Unconfigured,
            "Type of the messages on points: sensor_msgs/PointCloud2, visualization_msgs/MarkerArray, of which each marker is \
             a keypoint by its id, geometry_msgs/PoseArray, in the order of the table of keypoints, or zed_msgs/ObjectsStamped; \
             pixels, PointCloud2 of x and y in the image of the camera on camera_info, or hri_msgs/Skeleton2D in that \
             image. zed_msgs and hri_msgs must be sourced when the node is built.",
        ),
        row(
            "input.rectified",
            Bool(false),
            ANY,
            Unconfigured,
            "Whether keypoints in pixels are those of the rectified image: P of camera_info counts, without distortion.",
        ),
        row(
            "input.people",
            Integer(1),
            ("", integer(1, PEOPLE)),
            Unconfigured,
            "Most people that are followed at once, told apart by the identities that come with keypoints or names of joints; \
             each has topics of their own. 1: nobody is told apart.",
        ),
        row(
            "input.person_timeout",
            Double(2.0),
            timeout(),
            AnyTime,
            "Silence after which one of several people is forgotten, with all topics of theirs.",
        ),
        row(
            "input.cloud_box",
            DoubleArray(WHOLE.to_vec()),
            ("m", Doubles { length: WHOLE.len(), from: WHOLE[0], to: WHOLE[3] }),
            AnyTime,
            "Least x, y, z and greatest x, y, z of points on cloud that count, in its frame.",
        ),
    ]
}

/// How images are read; for tasks that observe one.
fn images() -> Vec<ParameterSpec> {
    let transports = ("", ImageTransport::range());
    let uses = ("", MaskUse::range());
    vec![
        row(
            "input.image_transport",
            text("both"),
            transports,
            Unconfigured,
            "Whether image, image/compressed or both are read. A camera that is read by one need not make the other.",
        ),
        row(
            "input.image_fit",
            text("crop"),
            ("", Fit::range()),
            AnyTime,
            "What of an image is observed: the largest part in the middle that has the task's shape, or all of it, \
             distorted.",
        ),
        row(
            "input.max_pixels",
            Integer(MAX_PIXELS as i64),
            ("", integer(1, 1 << 28)),
            AnyTime,
            "Pixels of a compressed image beyond which it is refused undecoded; each takes up to 16 bytes meanwhile.",
        ),
        row(
            "input.mask",
            text("auto"),
            uses,
            AnyTime,
            "Whether an image waits for a mask of its time: as long as masks come, always, or never.",
        ),
        row(
            "input.mask_marks",
            text("observed"),
            ("", MaskMarks::range()),
            AnyTime,
            "What pixels of a mask that are not zero say of the image.",
        ),
        row(
            "input.sync_slop",
            Double(0.01),
            ("s", zero_or(1e-6, 10.0)),
            AnyTime,
            "Greatest difference between the stamps of an image and its mask.",
        ),
        row(
            "input.alpha",
            Bool(true),
            ANY,
            AnyTime,
            "Whether transparent pixels are unobserved, where there is alpha.",
        ),
        row(
            "input.colour_key",
            text(""),
            ("", ParameterRange::Text { most: "#rrggbb".len() }),
            AnyTime,
            "Colour of pixels that are unobserved, as #rrggbb. Empty: none.",
        ),
        row(
            "input.colour_tolerance",
            Integer(8),
            ("", integer(0, 255)),
            AnyTime,
            "Greatest difference to input.colour_key in red, green and blue, each of 255.",
        ),
    ]
}

/// What is published.
fn output() -> Vec<ParameterSpec> {
    vec![
        row(
            "output.rate",
            Double(0.0),
            ("Hz", zero_or(0.001, 1000.0)),
            AnyTime,
            "Greatest rate of publications. 0.0: one for each observation.",
        ),
        row(
            "output.hypotheses",
            Bool(true),
            ANY,
            AnyTime,
            "Whether every hypothesis is published, not the best alone.",
        ),
        row(
            "output.order",
            text("rank"),
            ("", HypothesisOrder::range()),
            AnyTime,
            "What the number of a hypothesis means in topics, weights and losses: its rank, 0 for the best, or itself, \
             which stays from answer to answer: what is drawn by it does not jump.",
        ),
        row("output.ghosts", Bool(true), ANY, AnyTime, "Whether markers are published when somebody listens."),
        row(
            "output.robot_description",
            Bool(false),
            ANY,
            Unconfigured,
            "Whether the task's URDF is published on robot_description, latched, for robot_state_publisher and RViz.",
        ),
        row("output.frame_id", text(""), FRAME, AnyTime, "Frame of what is published. Empty: that of the observation."),
        row(
            "output.root_frame",
            text(""),
            FRAME,
            Unconfigured,
            "Frame of the body, broadcast on /tf below that of points while its root is seen; with several people an \
             underscore and the identity follow. Empty: none.",
        ),
        row(
            "output.people_namespace",
            text("/humans/bodies"),
            FRAME,
            Unconfigured,
            "Namespace of the topics of several people, each below its own identity, as REP-155 has them.",
        ),
    ]
}

/// What is recorded, and where.
fn recording() -> Vec<ParameterSpec> {
    vec![
        row("record.enabled", Bool(false), ANY, AnyTime, "Whether solves are recorded while the node is active."),
        row(
            "record.folder",
            text(""),
            PATH,
            AnyTime,
            "Folder of recordings, for those begun from now on. Empty: record.root, else thalweg in ROS_HOME, else in ~/.ros.",
        ),
        row(
            "record.root",
            text(""),
            PATH,
            ReadOnly,
            "Folder that record.folder must lie in, links resolved. Empty: what record.folder is at the start.",
        ),
        row(
            "record.steps",
            Bool(false),
            ANY,
            AnyTime,
            "Whether every step of every descent is recorded, not the solution alone.",
        ),
        row(
            "record.file_size",
            Integer(256),
            ("MB", integer(1, 65_536)),
            AnyTime,
            "Size at which a recording goes on in a new file.",
        ),
        row(
            "record.file_duration",
            Double(600.0),
            ("s", double(1.0, 86_400.0)),
            AnyTime,
            "Time after which a recording goes on in a new file.",
        ),
        row(
            "record.total_size",
            Integer(10_000),
            ("MB", integer(0, 100_000_000)),
            ReadOnly,
            "Size of all recordings in the folder beyond which the oldest files are removed. 0: no limit.",
        ),
        row(
            "record.queue",
            Integer(1000),
            ("", integer(1, 1_000_000)),
            AnyTime,
            "Solves that may wait for the disk; further ones are dropped and counted.",
        ),
    ]
}

/// What surrounds the solving.
fn service() -> Vec<ParameterSpec> {
    vec![
        row(
            "reload.path",
            text(""),
            PATH,
            AnyTime,
            "File that is watched: whenever there is a new one it is checked and becomes the landscape, until the node \
             is configured anew. Empty: none; ~/reload_landscape then reads the file of theta again.",
        ),
        row(
            "reload.root",
            text(""),
            PATH,
            ReadOnly,
            "Folder that reload.path, theta, start.file and models must lie in, links resolved. Empty: when they are \
             changed, in one of those that they name at the start, or in that of the weights.",
        ),
        row(
            "memory.limit",
            Integer(4096),
            ("MiB", ParameterRange::Integer { from: 64, to: 1 << 20 }),
            AnyTime,
            "Resident memory beyond which /diagnostics warns; nothing is ended.",
        ),
        row("use_sim_time", Bool(false), ANY, AnyTime, "Whether time comes from /clock."),
        row(
            "diagnostic_updater.period",
            Double(1.0),
            ("s", double(0.1, 60.0)),
            AnyTime,
            "Time between two reports on /diagnostics.",
        ),
        row(
            "diagnostic_updater.use_fqn",
            Bool(false),
            ANY,
            AnyTime,
            "Whether reports carry the node's name with its namespace.",
        ),
    ]
}
