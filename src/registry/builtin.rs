//! The tasks that are linked into the program.

use thalweg_task::Entry;

/// All of them, in the order in which they are listed.
pub(super) const ENTRIES: [Entry; 3] =
    [thalweg_body_pose::ENTRY, thalweg_planar_arm::ENTRY, thalweg_gan_inversion::ENTRY];
