//! Questions to the engine thread, asked without holding up the runtime.

use std::sync::Arc;

use thalweg_node::solver::{Solver, SolverError};

/// Asks the engine thread for something that takes until its present solve has ended, or longer.
///
/// # Errors
/// What the engine thread says, or that it has ended.
pub(super) async fn ask<T: Send + 'static>(
    solver: &Arc<Solver>,
    question: impl FnOnce(&Solver) -> Result<T, SolverError> + Send + 'static,
) -> anyhow::Result<T> {
    let solver = Arc::clone(solver);
    Ok(tokio::task::spawn_blocking(move || question(&solver)).await??)
}
