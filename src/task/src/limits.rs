//! How large things may be: one place for the node's parameters and for what files say.
//!
//! A recording is held to what a node can do: whoever makes a file can write any number into it.

/// Most hypotheses K that are solved at once.
pub const HYPOTHESES: u32 = 256;

/// Most steps that one solve may be asked for.
pub const STEPS: u32 = 100_000;

/// Most steps that one solve can have had time for: the longest deadline, 10 s, of steps of a microsecond.
pub const SOLVE_STEPS: u32 = 10_000_000;

/// Most joints J of a task, or of one recorded message: the default of `input.max_joints`.
pub const JOINTS: u32 = 4096;

/// Most pixels in a row or a column of an image: what a JPEG can have.
pub const IMAGE_SIDE: u32 = 65_535;

/// Most channels C of an image.
pub const CHANNELS: u32 = 16;

/// Most points P of an observation: named points are few, and a cloud of more is a scan.
pub const POINTS: u32 = 1_000_000;
