//! How faithful a clip is.

/// How a clip came to be, and how far it is from the recording where that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quality {
    /// The recording itself, with markers or sensors.
    Recorded,
    /// Equal to the recording.
    Exact,
    /// About 1 degree from the recording.
    Calibrated,
    /// About 2 degrees from it; no toes, fingers and collar bones.
    OtherRig,
    /// About 3 degrees from it; no toes, fingers and collar bones.
    OtherRigWorse,
    /// About 4 degrees from it: a retargeted piece.
    Retargeted,
    /// Reconstructed from video.
    Estimated,
    /// Drawn by hand: poses in between are interpolated.
    Keyframed,
}

impl Quality {
    /// The classes of `cmu_more.npz`, in the order of its `quality_names`.
    pub(super) const OF_CMU_MORE: [Self; 5] =
        [Self::Calibrated, Self::OtherRig, Self::OtherRigWorse, Self::Exact, Self::Retargeted];

    /// Names the class in a table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Exact => "exact",
            Self::Calibrated => "1 deg",
            Self::OtherRig => "2 deg",
            Self::OtherRigWorse => "3 deg",
            Self::Retargeted => "4 deg",
            Self::Estimated => "video",
            Self::Keyframed => "keyframed",
        }
    }
}
