//! What the graph says about our topics: who publishes, with which type and quality of service.
//!
//! r2r has no events for incompatible quality of service, so offers and requests are compared by
//! hand, after the table "QoS compatibilities" of the ROS 2 documentation.

use r2r::Node;
use r2r::qos::{DurabilityPolicy, QosProfile, ReliabilityPolicy};

/// One publisher of a topic.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// Full name of its node.
    pub(crate) node: String,
    /// Type that it publishes.
    pub(crate) type_name: String,
    /// What it offers.
    pub(crate) qos: QosProfile,
}

/// What we read from a topic.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Full name of the topic.
    pub(crate) topic: String,
    /// Type that we read.
    pub(crate) type_name: &'static str,
    /// What we ask for.
    pub(crate) qos: QosProfile,
}

/// Lists the publishers of a topic.
///
/// # Errors
/// What rcl says.
pub(crate) fn publishers(node: &Node, topic: &str) -> r2r::Result<Vec<Endpoint>> {
    let full = |namespace: &str, name: &str| format!("{}/{name}", namespace.trim_end_matches('/'));
    let endpoints = node.get_publishers_info_by_topic(topic, false)?;
    Ok(endpoints
        .into_iter()
        .map(|info| Endpoint {
            node: full(&info.node_namespace, &info.node_name),
            type_name: info.topic_type,
            qos: info.qos_profile,
        })
        .collect())
}

/// Says for each publisher that cannot reach us why.
pub(crate) fn mismatches(request: &Request, publishers: &[Endpoint]) -> Vec<String> {
    publishers.iter().filter_map(|publisher| mismatch(request, publisher)).collect()
}

fn mismatch(request: &Request, publisher: &Endpoint) -> Option<String> {
    let (topic, node) = (&request.topic, &publisher.node);
    if publisher.type_name != request.type_name {
        let (got, expected) = (&publisher.type_name, request.type_name);
        return Some(format!("{topic}: {node} publishes {got}, expected {expected}"));
    }
    let (offer, ask) = (&publisher.qos, &request.qos);
    let unreliable =
        offer.reliability == ReliabilityPolicy::BestEffort && ask.reliability == ReliabilityPolicy::Reliable;
    if unreliable {
        return Some(format!(
            "{topic}: incompatible QoS, policy RELIABILITY: {node} offers best_effort, reliable is asked for"
        ));
    }
    let forgetful =
        offer.durability == DurabilityPolicy::Volatile && ask.durability == DurabilityPolicy::TransientLocal;
    forgetful.then(|| {
        format!("{topic}: incompatible QoS, policy DURABILITY: {node} offers volatile, transient_local is asked for")
    })
}

/// Names publishers, each node once.
pub(crate) fn names(publishers: &[Endpoint]) -> Vec<&str> {
    let mut names: Vec<&str> = publishers.iter().map(|publisher| publisher.node.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// How many nodes go by this name: every node of ROS 2 publishes `/rosout` once.
pub(crate) fn namesakes(rosout: &[Endpoint], full_name: &str) -> usize {
    rosout.iter().filter(|publisher| publisher.node == full_name).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "sensor_msgs/msg/JointState";

    fn endpoint(node: &str, type_name: &str, qos: QosProfile) -> Endpoint {
        Endpoint { node: node.to_owned(), type_name: type_name.to_owned(), qos }
    }

    fn request(qos: QosProfile) -> Request {
        Request { topic: "/joint_states".to_owned(), type_name: TYPE, qos }
    }

    #[test]
    fn d3_incompatible_quality_of_service_is_named() {
        let sensor = endpoint("/cam", TYPE, QosProfile::sensor_data());
        assert!(mismatches(&request(QosProfile::sensor_data()), std::slice::from_ref(&sensor)).is_empty());
        let told = mismatches(&request(QosProfile::default()), std::slice::from_ref(&sensor));
        assert!(told[0].contains("/joint_states") && told[0].contains("RELIABILITY") && told[0].contains("/cam"));
        let latched = request(QosProfile::default().transient_local());
        let told = mismatches(&latched, &[endpoint("/cam", TYPE, QosProfile::default())]);
        assert!(told[0].contains("DURABILITY"), "{told:?}");
    }

    #[test]
    fn d4_another_type_is_named() {
        let told = mismatches(
            &request(QosProfile::sensor_data()),
            &[endpoint("/a", "std_msgs/msg/String", QosProfile::default())],
        );
        assert_eq!(told, ["/joint_states: /a publishes std_msgs/msg/String, expected sensor_msgs/msg/JointState"]);
    }

    #[test]
    fn d1_namesakes_are_counted() {
        let qos = QosProfile::default;
        let all = [endpoint("/n/a", TYPE, qos()), endpoint("/n/a", TYPE, qos()), endpoint("/b", TYPE, qos())];
        assert_eq!((namesakes(&all, "/n/a"), names(&all)), (2, vec!["/b", "/n/a"]));
    }
}
