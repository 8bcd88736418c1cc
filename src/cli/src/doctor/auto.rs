//! What `device: auto` would take.

use thalweg::{GpuTrial, GpuTrialError, Plan, Registry};
use thalweg_engine::gpu::{GpuChoice, GpuError};

use super::DoctorArguments;
use super::finding::Finding;
use super::model::plan;

const WHAT: &str = "device auto";

/// Compares a GPU with the processor, as the node does when it is configured with everything else at its default.
pub(super) fn automatic(arguments: &DoctorArguments, registry: &Registry) -> Finding {
    if tch::Cuda::is_available() {
        return Finding::ok(WHAT, "cuda:0, for libtorch has it; nothing is measured");
    }
    let plan: Plan = plan(arguments, registry);
    let trial = plan.compare_gpu(&GpuChoice::Best);
    let found = format!("{trial} (task {})", plan.task);
    match trial {
        GpuTrial::Measured(_)
        | GpuTrial::Failed(
            GpuTrialError::Gpu(GpuError::NoAdapter { .. } | GpuError::NotBuilt | GpuError::Unfit { .. })
            | GpuTrialError::NotDense { .. }
            | GpuTrialError::NotThere { .. },
        ) => Finding::ok(WHAT, found),
        GpuTrial::Failed(GpuTrialError::Load(_)) => Finding::ok(WHAT, "cpu, for the task does not load"),
        GpuTrial::Failed(_) => Finding::warn(WHAT, found, "the node would take the processor; mend the driver"),
    }
}
