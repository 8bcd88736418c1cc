//! A look at the graph and at parameters from outside the node.

use std::thread::sleep;
use std::time::Duration;

use r2r::{Node, QosProfile};

use super::peer::Link;
use crate::node::graph::{self, Endpoint, Request};
use crate::node::inputs::type_name;
use crate::node::names::Names;
use crate::node::startup::{NAME, declare, prepare, with_plugins};
use thalweg::Registry;
use thalweg_node::intake::Input;
use thalweg_node::parameters::{PointsType, Settings, full_name};

/// What the graph looks like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The node that is meant, with its namespace.
    pub node: String,
    /// How many nodes are named so.
    pub namesakes: usize,
    /// The inputs, each with the number of its publishers.
    pub publishers: Vec<(String, usize)>,
    /// One sentence for each publisher that cannot reach the node.
    pub mismatches: Vec<String>,
}

/// Joins the graph, listens for some time, and tells what is there.
///
/// `arguments`: those of the node, which may give it a name, a namespace and other topics.
///
/// # Errors
/// What rcl says.
pub fn survey(arguments: &[String], listen: Duration) -> anyhow::Result<Survey> {
    let link = Link::join("thalweg_doctor")?;
    sleep(listen);
    let node = full_name(arguments, NAME);
    let (namespace, name) = node.rsplit_once('/').unwrap_or(("", &node));
    let names = Names::new(arguments, name, namespace);
    let (rosout, inputs) = link.with(move |node| look(node, &names))??;
    let mismatches = inputs.iter().flat_map(|(request, publishers)| graph::mismatches(request, publishers));
    Ok(Survey {
        namesakes: graph::namesakes(&rosout, &node),
        node,
        publishers: inputs.iter().map(|(request, publishers)| (request.topic.clone(), publishers.len())).collect(),
        mismatches: mismatches.collect(),
    })
}

type Inputs = Vec<(Request, Vec<Endpoint>)>;

fn look(node: &mut Node, names: &Names) -> r2r::Result<(Vec<Endpoint>, Inputs)> {
    let publishers = |input: Input| {
        let request = request(input, names);
        graph::publishers(node, &request.topic).map(|publishers| (request, publishers))
    };
    let inputs = Input::ALL.into_iter().map(publishers).collect::<r2r::Result<Inputs>>()?;
    Ok((graph::publishers(node, "/rosout")?, inputs))
}

/// What a node without overrides asks for.
fn request(input: Input, names: &Names) -> Request {
    Request {
        topic: names.of_input(input),
        type_name: type_name(input, PointsType::default()),
        qos: QosProfile::sensor_data(),
    }
}

/// Declares the parameters that the arguments of this process give the node, and nothing else.
///
/// # Errors
/// What the node would end with.
pub fn declare_parameters(arguments: &[String], registry: &Registry) -> anyhow::Result<()> {
    let node = prepare(arguments)?;
    let registry = with_plugins(registry.clone(), arguments)?;
    let names = Names::new(arguments, &node.name()?, &node.namespace()?);
    Settings::read(&declare(&registry, &node, &names, arguments)?, 0)?;
    Ok(())
}
