//! `~/complete`: one observation in, its hypotheses out, without any topic.

use anyhow::{Context, ensure};
use futures::stream::{Stream, StreamExt};
use r2r::ServiceRequest;
use r2r::sensor_msgs::msg::JointState;
use r2r::std_msgs::msg::Header;
use r2r::thalweg_msgs::msg::HypothesisArray;
use r2r::thalweg_msgs::srv::Complete;
use thalweg_node::intake::Intake;
use thalweg_task::printable;

use super::engine_thread::ask;
use super::inputs::take_joints;
use super::outputs::hypothesis_array;
use super::parts::Parts;
use super::services::open;
use super::tasks::Tasks;
use super::time::stamp;

/// Offers the service.
///
/// # Errors
/// What rcl says, or that the ROS thread has ended.
pub(super) async fn serve(parts: &Parts, tasks: &Tasks) -> anyhow::Result<()> {
    let requests = open::<Complete::Service>(&parts.executor, "~/complete").await?;
    tasks.spawn(answer(requests, parts.clone()));
    Ok(())
}

async fn answer(mut requests: impl Stream<Item = ServiceRequest<Complete::Service>> + Unpin, parts: Parts) {
    while let Some(request) = requests.next().await {
        let response = match complete(&parts, &request.message.observed).await {
            Ok(answer) => Complete::Response { success: true, message: String::new(), answer },
            Err(error) => {
                let message = printable(&format!("{error:#}")).into_owned();
                Complete::Response { success: false, message, answer: HypothesisArray::default() }
            }
        };
        if let Err(error) = request.respond(response) {
            tracing::debug!("an answer did not go out: {error}");
        }
    }
}

/// Solves what was observed by itself: judged as on the topic, but for an intake of its own.
async fn complete(parts: &Parts, observed: &JointState) -> anyhow::Result<HypothesisArray> {
    let spec = parts.state.loaded().as_ref().map(|loaded| loaded.spec.clone());
    let spec = spec.context("nothing is loaded: configure the node first")?;
    ensure!(spec.reads_joints, "task {} does not observe joints", spec.name);
    let now = parts.time.now_nanos();
    let config = parts.buffer.intake_config();
    let mut intake = Intake::new(&spec, config);
    let refusals = take_joints(&mut intake, observed, now).refusals;
    let observation = intake.observation(now);
    drop(intake);
    let Some((observation, provenance)) = observation else {
        let why = refusals.first().map_or_else(|| "no joint in it".to_owned(), ToString::to_string);
        anyhow::bail!("nothing to complete: {why}");
    };
    let answer = ask(&parts.solver, move |solver| solver.complete(observation)).await?;
    let identities: Vec<usize> = (0..answer.losses.len()).collect();
    let names: Vec<String> = spec.joints.iter().map(|joint| joint.name.clone()).collect();
    let header =
        Header { stamp: stamp(provenance.stamp_nanos), frame_id: printable(&provenance.frame_id).into_owned() };
    Ok(hypothesis_array(&answer, &identities, &header, &names))
}
