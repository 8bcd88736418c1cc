//! A look at the graph and at parameters from outside the node.

use std::thread::sleep;
use std::time::Duration;

use r2r::{Node, QosProfile};

use super::graph::{self, Endpoint, Request};
use super::input::type_name;
use super::names::Names;
use super::peer::Link;
use super::run::{NAME, declare, prepare};
use thalweg::Registry;
use thalweg_node::intake::Input;
use thalweg_node::parameters::Settings;

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
/// # Errors
/// What rcl says.
pub fn survey(listen: Duration) -> anyhow::Result<Survey> {
    let link = Link::join("thalweg_doctor")?;
    sleep(listen);
    let (rosout, inputs) = link.with(look)??;
    let node = format!("/{NAME}");
    let mismatches = inputs.iter().flat_map(|(request, publishers)| graph::mismatches(request, publishers));
    Ok(Survey {
        namesakes: graph::namesakes(&rosout, &node),
        node,
        publishers: inputs.iter().map(|(request, publishers)| (request.topic.clone(), publishers.len())).collect(),
        mismatches: mismatches.collect(),
    })
}

type Inputs = Vec<(Request, Vec<Endpoint>)>;

fn look(node: &mut Node) -> r2r::Result<(Vec<Endpoint>, Inputs)> {
    let publishers = |input: Input| {
        let request = request(input);
        graph::publishers(node, &request.topic).map(|publishers| (request, publishers))
    };
    let inputs = Input::ALL.into_iter().map(publishers).collect::<r2r::Result<Inputs>>()?;
    Ok((graph::publishers(node, "/rosout")?, inputs))
}

/// What a node without namespace, remapping and overrides asks for.
fn request(input: Input) -> Request {
    Request { topic: format!("/{}", input.topic()), type_name: type_name(input), qos: QosProfile::sensor_data() }
}

/// Declares the parameters that the arguments of this process give the node, and nothing else.
///
/// # Errors
/// What the node would end with.
pub fn declare_parameters(arguments: &[String], registry: &Registry) -> anyhow::Result<()> {
    let node = prepare(arguments)?;
    let names = Names::new(arguments, &node.name()?, &node.namespace()?);
    Settings::read(&declare(registry, &node, &names)?, 0)?;
    Ok(())
}
