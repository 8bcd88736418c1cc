//! What was found of several people, on one topic: for a window, which could not follow topics that come and go.

use r2r::std_msgs::msg::String as Text;
use r2r::{Node, Publisher, QosProfile};
use thalweg_engine::Answer;
use thalweg_node::display::{ShownPerson, write_body};
use thalweg_node::intake::Provenance;
use thalweg_task::TaskSpec;

use super::is_heard;

/// Tells of each answer whose it is and where the body stands.
#[derive(Debug)]
pub(crate) struct Bodies {
    publisher: Publisher<Text>,
    names: Vec<String>,
}

impl Bodies {
    /// Advertises `~/bodies`.
    ///
    /// # Errors
    /// What rcl says.
    pub(crate) fn create(node: &mut Node, spec: &TaskSpec, qos: QosProfile) -> r2r::Result<Self> {
        let names = spec.joints.iter().map(|joint| joint.name.clone()).collect();
        Ok(Self { publisher: node.create_publisher("~/bodies", qos)?, names })
    }

    /// Takes `~/bodies` from the graph.
    pub(crate) fn destroy(self, node: &mut Node) {
        node.destroy_publisher(self.publisher);
    }

    /// Publishes the best hypothesis of somebody; of nobody in particular, or where nobody listens, nothing.
    ///
    /// # Errors
    /// What rcl says.
    pub(super) fn publish(&self, answer: &Answer, provenance: &Provenance) -> r2r::Result<()> {
        let (Some(person), Some(best)) = (&provenance.person, answer.joints.first()) else { return Ok(()) };
        if !is_heard(&self.publisher) {
            return Ok(());
        }
        let person = ShownPerson {
            id: person.id.clone(),
            arrival: person.arrival,
            joints: best.clone(),
            observed: provenance.observed_joints.clone(),
            root: answer.roots.first().copied(),
        };
        self.publisher.publish(&Text { data: write_body(&person, &self.names) })
    }
}
