//! Parameter services, after rclcpp's.
//!
//! What r2r offers accepts every value and publishes no events; these six services stand on
//! [`Parameters`] instead. Where a request names an undeclared parameter, the answer is rclcpp's: an
//! empty list from get and describe, a refusal from set.

use std::future::ready;
use std::sync::Arc;
use thalweg_task::lock;

use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt};
use r2r::rcl_interfaces::msg::{
    ListParametersResult, Parameter, ParameterDescriptor, ParameterValue as Message, SetParametersResult,
};
use r2r::rcl_interfaces::srv::{
    DescribeParameters, GetParameterTypes, GetParameters, ListParameters, SetParameters, SetParametersAtomically,
};
use r2r::{QosProfile, ServiceRequest, WrappedServiceTypeSupport};
use thalweg_task::{ParameterValue, printable};

use super::Parameters;
use super::messages::{clean, code, descriptor, from_message, to_message};
use thalweg_node::parameters::ParameterError;

/// Opens the services and `/parameter_events`.
///
/// Returns one task for each service, which answers its requests in their order, and one that announces all parameters
/// as new once somebody listens: events are not kept for late comers, and at the start nobody has been found yet. They
/// are best polled by the thread that spins, after each turn: r2r's queue holds ten requests and drops what comes
/// on top, and one turn takes one request of each service. Polled elsewhere, a burst of 500
/// requests lost 139; polled after each turn, none of 900 (probe with rclpy, 2026-11-23).
///
/// # Errors
/// When rcl refuses a service or the publisher.
pub(crate) fn serve(node: &mut r2r::Node, parameters: &Arc<Parameters>) -> r2r::Result<Vec<BoxFuture<'static, ()>>> {
    let events = node.create_publisher(
        "/parameter_events",
        parameters.qos_of("/parameter_events", QosProfile::parameter_events()),
    )?;
    let heard = events.wait_for_inter_process_subscribers()?;
    *lock(&parameters.events) = Some(events);
    let announce = announce(heard, Arc::clone(parameters));
    let get = open::<GetParameters::Service, _>(node, "get_parameters", parameters, |parameters, request| {
        parameters.get(&request.names)
    })?;
    let types =
        open::<GetParameterTypes::Service, _>(node, "get_parameter_types", parameters, |parameters, request| {
            parameters.types(&request.names)
        })?;
    let set = open::<SetParameters::Service, _>(node, "set_parameters", parameters, |parameters, request| {
        let each = request.parameters.iter().map(|given| parameters.set_as_asked(std::slice::from_ref(given)));
        SetParameters::Response { results: each.collect() }
    })?;
    let set_all = open::<SetParametersAtomically::Service, _>(
        node,
        "set_parameters_atomically",
        parameters,
        |parameters, request| SetParametersAtomically::Response {
            result: parameters.set_as_asked(&request.parameters),
        },
    )?;
    let list = open::<ListParameters::Service, _>(node, "list_parameters", parameters, |parameters, request| {
        parameters.list(&request.prefixes, request.depth)
    })?;
    let describe =
        open::<DescribeParameters::Service, _>(node, "describe_parameters", parameters, |parameters, request| {
            parameters.describe(&request.names)
        })?;
    Ok(vec![announce, get, types, set, set_all, list, describe])
}

/// Announces all parameters when the first listener has been found.
fn announce(
    heard: impl Future<Output = r2r::Result<()>> + Send + 'static,
    parameters: Arc<Parameters>,
) -> BoxFuture<'static, ()> {
    let then = move |outcome: r2r::Result<()>| match outcome {
        Ok(()) => parameters.announce(),
        Err(error) => tracing::debug!(%error, "parameters are not announced"),
    };
    heard.map(then).boxed()
}

/// Opens one service of the node and gives the task that answers it.
fn open<S, A>(
    node: &mut r2r::Node,
    name: &str,
    parameters: &Arc<Parameters>,
    answer: A,
) -> r2r::Result<BoxFuture<'static, ()>>
where
    S: WrappedServiceTypeSupport + 'static,
    A: Fn(&Parameters, &S::Request) -> S::Response + Send + 'static,
{
    let requests = node.create_service::<S>(&format!("~/{name}"), QosProfile::parameters())?;
    let parameters = Arc::clone(parameters);
    Ok(answer_all(requests, move |request| answer(&parameters, request)))
}

/// Answers requests in their order; a client that has gone is no reason to stop.
fn answer_all<S, A>(
    requests: impl Stream<Item = ServiceRequest<S>> + Send + 'static,
    answer: A,
) -> BoxFuture<'static, ()>
where
    S: WrappedServiceTypeSupport + 'static,
    A: Fn(&S::Request) -> S::Response + Send + 'static,
{
    let one = move |request: ServiceRequest<S>| {
        let response = answer(&request.message);
        if let Err(error) = request.respond(response) {
            tracing::debug!(%error, "a parameter request could not be answered");
        }
        ready(())
    };
    requests.for_each(one).boxed()
}

/// What the services answer.
impl Parameters {
    fn get(&self, names: &[String]) -> GetParameters::Response {
        let store = self.store();
        let values: Option<Vec<Message>> = names.iter().map(|name| store.get(name).map(to_message)).collect();
        GetParameters::Response { values: values.unwrap_or_default() }
    }

    fn types(&self, names: &[String]) -> GetParameterTypes::Response {
        let store = self.store();
        let types: Option<Vec<u8>> = names.iter().map(|name| store.get(name).map(|value| code(value.kind()))).collect();
        GetParameterTypes::Response { types: types.unwrap_or_default() }
    }

    fn describe(&self, names: &[String]) -> DescribeParameters::Response {
        let store = self.store();
        let found: Option<Vec<ParameterDescriptor>> =
            names.iter().map(|name| store.describe(name).map(descriptor)).collect();
        DescribeParameters::Response { descriptors: found.unwrap_or_default() }
    }

    fn list(&self, prefixes: &[String], depth: u64) -> ListParameters::Response {
        let store = self.store();
        let mut result = ListParametersResult::default();
        for name in store.names().filter(|name| is_listed(name, prefixes, depth)) {
            result.names.push(clean(name));
            let prefix = name.rsplit_once('.').map(|(prefix, _)| clean(prefix));
            result.prefixes.extend(prefix.filter(|prefix| !result.prefixes.contains(prefix)));
        }
        ListParameters::Response { result }
    }

    /// Sets all of these or none, and says what came of it.
    fn set_as_asked(&self, parameters: &[Parameter]) -> SetParametersResult {
        let result = read_changes(parameters).inspect_err(|_| self.store().count_refusal());
        match result.and_then(|changes| self.set(&changes)) {
            Ok(()) => SetParametersResult { successful: true, reason: String::new() },
            Err(error) => {
                self.note_refusal(&error);
                SetParametersResult { successful: false, reason: printable(&error.to_string()).into_owned() }
            }
        }
    }
}

/// Whether a name is asked for, as `rclcpp::node_interfaces::NodeParameters::list_parameters`.
///
/// Depth counts the parts of what follows the prefix; zero is unlimited.
fn is_listed(name: &str, prefixes: &[String], depth: u64) -> bool {
    let is_within = |rest: &str| depth == 0 || (rest.matches('.').count() as u64) < depth;
    if prefixes.is_empty() {
        return is_within(name);
    }
    let below = |prefix: &String| name.strip_prefix(prefix.as_str())?.strip_prefix('.');
    prefixes.iter().any(|prefix| name == prefix || below(prefix).is_some_and(is_within))
}

fn read_changes(parameters: &[Parameter]) -> Result<Vec<(String, ParameterValue)>, ParameterError> {
    if parameters.is_empty() {
        return Err(ParameterError::Empty);
    }
    parameters.iter().map(|given| Ok((given.name.clone(), from_message(given)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(prefixes: &[&str], depth: u64) -> Vec<&'static str> {
        let prefixes: Vec<String> = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
        let names = ["a", "a.b", "a.b.c", "ab", "b.c"];
        names.into_iter().filter(|name| is_listed(name, &prefixes, depth)).collect()
    }

    /// As rclcpp lists.
    #[test]
    fn prefixes_and_depth() {
        assert_eq!(listed(&[], 0).len(), 5);
        assert_eq!(listed(&[], 1), ["a", "ab"]);
        assert_eq!(listed(&[], 2), ["a", "a.b", "ab", "b.c"]);
        assert_eq!(listed(&["a"], 0), ["a", "a.b", "a.b.c"]);
        assert_eq!(listed(&["a"], 1), ["a", "a.b"]);
        assert_eq!(listed(&["a.b", "b"], 1), ["a.b", "a.b.c", "b.c"]);
        assert_eq!(listed(&["a."], 0).len() + listed(&[""], 0).len(), 0);
        assert_eq!(listed(&["a"], u64::MAX).len(), 3);
    }
}
