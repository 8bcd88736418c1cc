//! Names of topics after namespace and remapping.
//!
//! r2r does not tell under which name a relative topic ends up; graph queries and
//! `qos_overrides` need it. Rules as in the ROS 2 design article "Remapping Names".

use thalweg_node::intake::Input;

/// A rule `from:=to` of the command line, perhaps for one node only.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    node: Option<String>,
    from: String,
    to: String,
}

/// What the command line says about names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    rules: Vec<Rule>,
    node: String,
    namespace: String,
}

/// The values behind `-r` and `--remap` between `--ros-args` and `--`.
fn remaps(arguments: &[String]) -> impl Iterator<Item = &str> {
    let mut is_ros = false;
    arguments.iter().zip(arguments.iter().skip(1)).filter_map(move |(argument, value)| {
        match argument.as_str() {
            "--ros-args" => is_ros = true,
            "--" => is_ros = false,
            "-r" | "--remap" if is_ros => return Some(value.as_str()),
            _ => {}
        }
        None
    })
}

impl Names {
    /// Reads the remapping rules of the command line; rcl has refused nonsense before.
    pub(crate) fn new(arguments: &[String], node: &str, namespace: &str) -> Self {
        let rules = remaps(arguments).filter_map(parse).collect();
        Self { rules, node: node.to_owned(), namespace: namespace.to_owned() }
    }

    /// The full name of a relative, private (`~/`) or absolute topic, remapped by the first rule
    /// that fits.
    pub(crate) fn resolve(&self, topic: &str) -> String {
        let full = self.expand(topic);
        let fits =
            |rule: &&Rule| rule.node.as_ref().is_none_or(|node| *node == self.node) && self.expand(&rule.from) == full;
        self.rules.iter().find(fits).map_or(full.clone(), |rule| self.expand(&rule.to))
    }

    /// The full name of an input. The compressed form lies below the raw one, as image_transport has it: whoever
    /// remaps `image` remaps both, unless the compressed form is remapped by itself.
    pub(crate) fn of_input(&self, input: Input) -> String {
        let own = self.resolve(input.topic());
        let is_remapped = own != self.expand(input.topic());
        match input {
            Input::Compressed if !is_remapped => format!("{}/compressed", self.resolve(Input::Image.topic())),
            _ => own,
        }
    }

    fn expand(&self, topic: &str) -> String {
        let root = self.namespace.trim_end_matches('/');
        match topic.strip_prefix('~') {
            Some(rest) => format!("{root}/{}{rest}", self.node),
            None if topic.starts_with('/') => topic.to_owned(),
            None => format!("{root}/{topic}"),
        }
    }
}

/// Reads `[node:]from:=to`; the rules about the node's own name and namespace are rcl's.
fn parse(rule: &str) -> Option<Rule> {
    let (from, to) = rule.split_once(":=")?;
    let (node, from) = match from.split_once(':') {
        Some((node, from)) if !from.starts_with("//") => (Some(node.to_owned()), from),
        _ => (None, from),
    };
    let from = from.strip_prefix("rostopic://").unwrap_or(from);
    let is_topic = !from.starts_with("__") && !from.starts_with("rosservice://");
    is_topic.then(|| Rule { node, from: from.to_owned(), to: to.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(line: &str, namespace: &str) -> Names {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Names::new(&arguments, "thalweg", namespace)
    }

    #[test]
    fn relative_private_and_absolute_names() {
        let names = names("", "/robot");
        assert_eq!(names.resolve("joint_states"), "/robot/joint_states");
        assert_eq!(names.resolve("~/reconstruction"), "/robot/thalweg/reconstruction");
        assert_eq!(names.resolve("/diagnostics"), "/diagnostics");
        assert_eq!(super::Names { namespace: "/".to_owned(), ..names }.resolve("image"), "/image");
    }

    #[test]
    fn the_first_rule_that_fits_counts() {
        let line = "x --ros-args -r __node:=thalweg -r other:joint_states:=no -r joint_states:=arm/state \
                    --remap /ns/joint_states:=late -r thalweg:image:=/camera/image -- -r points:=not_ros";
        let names = names(line, "/ns");
        assert_eq!(names.resolve("joint_states"), "/ns/arm/state");
        assert_eq!(names.resolve("image"), "/camera/image");
        assert_eq!(names.resolve("points"), "/ns/points");
    }

    #[test]
    fn compressed_images_lie_below_the_raw_ones() {
        let of = |line: &str| names(line, "/").of_input(Input::Compressed);
        assert_eq!(of(""), "/image/compressed");
        assert_eq!(of("--ros-args -r image:=/camera/image_raw"), "/camera/image_raw/compressed");
        assert_eq!(of("--ros-args -r image:=/a -r image/compressed:=/b"), "/b");
        assert_eq!(names("--ros-args -r image:=/a", "/").of_input(Input::Image), "/a");
    }

    #[test]
    fn rules_with_schemes() {
        let names = names("--ros-args -r rostopic://points:=cloud -r rosservice://image:=x", "/");
        assert_eq!((names.resolve("points"), names.resolve("image")), ("/cloud".to_owned(), "/image".to_owned()));
    }
}
