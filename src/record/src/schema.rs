//! The messages of a recording: their names and definitions, as rosbag2 keeps them (`ros2msg`).
//!
//! The standard ones are those of ROS 2 Jazzy, their comments cut; a test compares them with an installed ROS 2.
//! Readers need no installed package for our own: the definition stands in each file.

/// A type of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    JointState,
    PointCloud2,
    Image,
    String,
    Solve,
    Descent,
}

/// What stands between two definitions.
const RULE: &str = "================================================================================";

/// A definition that others use, with its name.
type Part = (&'static str, &'static str);

const HEADER: Part = ("std_msgs/Header", include_str!("schema/Header.msg"));
const TIME: Part = ("builtin_interfaces/Time", include_str!("schema/Time.msg"));
const DURATION: Part = ("builtin_interfaces/Duration", include_str!("schema/Duration.msg"));
const POINT_FIELD: Part = ("sensor_msgs/PointField", include_str!("schema/PointField.msg"));

impl Kind {
    /// The name of the type.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::JointState => "sensor_msgs/msg/JointState",
            Self::PointCloud2 => "sensor_msgs/msg/PointCloud2",
            Self::Image => "sensor_msgs/msg/Image",
            Self::String => "std_msgs/msg/String",
            Self::Solve => "thalweg/msg/Solve",
            Self::Descent => "thalweg/msg/Descent",
        }
    }

    /// Whether the type is our own.
    #[cfg(test)]
    fn is_ours(self) -> bool {
        matches!(self, Self::Solve | Self::Descent)
    }

    fn own(self) -> (&'static str, &'static [Part]) {
        match self {
            Self::JointState => (include_str!("schema/JointState.msg"), &[HEADER, TIME]),
            Self::PointCloud2 => (include_str!("schema/PointCloud2.msg"), &[HEADER, TIME, POINT_FIELD]),
            Self::Image => (include_str!("schema/Image.msg"), &[HEADER, TIME]),
            Self::String => (include_str!("schema/String.msg"), &[]),
            Self::Solve => (include_str!("schema/Solve.msg"), &[HEADER, TIME, DURATION]),
            Self::Descent => (include_str!("schema/Descent.msg"), &[]),
        }
    }

    /// The definition with all that it uses.
    pub(super) fn definition(self) -> String {
        let (own, parts) = self.own();
        let parts = parts.iter().map(|(name, text)| format!("{RULE}\nMSG: {name}\n{text}"));
        std::iter::once(own.to_owned()).chain(parts).collect()
    }
}

/// Quality of service of all topics, as rosbag2 writes it (JSON is YAML): what the node's own publishers offer.
pub(super) const QOS: &str = r#"[{"history": "keep_last", "depth": 10, "reliability": "reliable",
  "durability": "volatile", "deadline": {"sec": 9223372036, "nsec": 854775807},
  "lifespan": {"sec": 9223372036, "nsec": 854775807}, "liveliness": "automatic",
  "liveliness_lease_duration": {"sec": 9223372036, "nsec": 854775807}, "avoid_ros_namespace_conventions": false}]"#;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn plain(text: &str) -> Vec<String> {
        let words =
            |line: &str| line.split('#').next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().map(words).filter(|line| !line.is_empty()).collect()
    }

    /// Against the files of a ROS 2 that is sourced or provisioned.
    #[test]
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    fn definitions_are_those_of_ros() {
        let Ok(prefixes) = std::env::var("AMENT_PREFIX_PATH") else {
            eprintln!("SKIPPED definitions_are_those_of_ros: no ROS 2 is sourced (AMENT_PREFIX_PATH)");
            return;
        };
        let share = |name: &str| {
            let (package, name) = name.split_once('/').expect("package/Name");
            let file = format!("share/{package}/msg/{}.msg", name.trim_start_matches("msg/"));
            prefixes
                .split(':')
                .map(|prefix| Path::new(prefix).join(&file))
                .find(|path| path.exists())
                .expect("installed")
        };
        for kind in [Kind::JointState, Kind::PointCloud2, Kind::Image, Kind::String, Kind::Solve] {
            let (own, parts) = kind.own();
            let own = (!kind.is_ours()).then_some((kind.name(), own));
            for (name, text) in own.iter().chain(parts) {
                let installed = std::fs::read_to_string(share(name)).expect("readable");
                assert_eq!(plain(text), plain(&installed), "{name}");
            }
        }
    }
}
