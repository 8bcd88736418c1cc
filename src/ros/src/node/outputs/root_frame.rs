//! Where bodies stand, for TF.

use std::collections::BTreeMap;
use std::sync::Arc;

use r2r::geometry_msgs::msg::{Transform, TransformStamped, Vector3};
use r2r::std_msgs::msg::Header;
use r2r::tf2_msgs::msg::TFMessage;
use r2r::{Node, Publisher, QosProfile};
use thalweg_engine::Answer;
use thalweg_node::intake::Provenance;

use super::publishers::pose_of;
use crate::node::time::stamp;

/// Broadcasts the frame of the body below that of points.
#[derive(Debug)]
pub(crate) struct RootFrame {
    publisher: Publisher<TFMessage>,
    /// Name of the frame; an identity follows where there is one.
    frame: String,
    /// The last stamp of each person, nanoseconds: tf2 complains of what comes twice.
    sent: BTreeMap<Option<Arc<str>>, i64>,
    /// Whether it was told that the frame is that of points.
    is_told: bool,
}

impl RootFrame {
    /// Advertises `/tf`, as tf2's broadcaster does.
    ///
    /// # Errors
    /// What rcl says.
    pub(crate) fn create(node: &mut Node, frame: &str) -> r2r::Result<Self> {
        let publisher = node.create_publisher("/tf", QosProfile::default().keep_last(100))?;
        Ok(Self { publisher, frame: frame.to_owned(), sent: BTreeMap::new(), is_told: false })
    }

    /// Takes `/tf` from the graph.
    pub(crate) fn destroy(self, node: &mut Node) {
        node.destroy_publisher(self.publisher);
    }

    /// Forgets the stamps of before, as after a jump of the clock.
    pub(super) fn forget(&mut self) {
        self.sent.clear();
    }

    /// Forgets somebody.
    pub(super) fn part(&mut self, id: &Arc<str>) {
        self.sent.remove(&Some(Arc::clone(id)));
    }

    /// Broadcasts where the best hypothesis stands, while that is seen and the frame of points has a name: a root that is
    /// held is not news, and whoever reads TF sees by its age how old it is.
    ///
    /// # Errors
    /// What rcl says.
    pub(super) fn publish(&mut self, answer: &Answer, provenance: &Provenance) -> r2r::Result<()> {
        let parent = provenance.points_frame.as_deref().unwrap_or_default().replace('\0', "");
        let Some(root) = answer.roots.first().filter(|root| root.is_seen && !parent.is_empty()) else { return Ok(()) };
        let id = provenance.person.as_ref().map(|person| Arc::clone(&person.id));
        let child = id.as_ref().map_or_else(|| self.frame.clone(), |id| format!("{}_{id}", self.frame));
        if child == parent {
            if !std::mem::replace(&mut self.is_told, true) {
                tracing::warn!("output.root_frame: points come in frame {parent} itself; nothing is broadcast");
            }
            return Ok(());
        }
        let nanos = provenance.stamp_nanos;
        if self.sent.insert(id, nanos).is_some_and(|sent| sent >= nanos) {
            return Ok(());
        }
        let pose = pose_of(root);
        let (r2r::geometry_msgs::msg::Point { x, y, z }, rotation) = (pose.position, pose.orientation);
        let transform = Transform { translation: Vector3 { x, y, z }, rotation };
        let header = Header { stamp: stamp(nanos), frame_id: parent };
        let transforms = vec![TransformStamped { header, child_frame_id: child, transform }];
        self.publisher.publish(&TFMessage { transforms })
    }
}
