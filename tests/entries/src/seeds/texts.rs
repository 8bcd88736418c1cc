//! Texts as people and other programs write them.

use super::Seeds;

fn all(texts: &[(&'static str, &str)]) -> Seeds {
    texts.iter().map(|(name, text)| (*name, text.as_bytes().to_vec())).collect()
}

/// What gives parameters to all nodes, to nodes of a name, and to others.
const SHARED: &str = "\u{feff}/**:
  ros__parameters:
    use_sim_time: false
    task: 'planar_arm'  # a comment
/**/thalweg: &both
  ros__parameters: {hypotheses: 4, landscape: identity, 'optimizer.rate': 0.1}
/right/thalweg: *both
/left:
  thalweg:
    ros__parameters:
      input:
        joints:
          topic: [a, b]
      limits: [1.0, .5, 1e-3]
      flags: [true, off]
";

pub(crate) fn parameters() -> Seeds {
    let mut seeds = all(&[
        (
            "own.yaml",
            "/left/thalweg:\n  ros__parameters:\n    task: planar_arm\n    hypotheses: 8\n    budget.deadline: 0.008\n",
        ),
        ("shared.yaml", SHARED),
        (
            "numbers.yaml",
            "/left/thalweg:\n  ros__parameters: {seed: -9223372036854775808, output.rate: .inf, a: 0x1F, b: ~, c: !!str 7}\n",
        ),
        (
            "blocks.yaml",
            "thalweg:\n  ros__parameters:\n    task: |-\n      planar_arm\n    models: >\n      a\n      b\n    \"x\\u0041\": \"\\n\"\n---\nsecond: 1\n",
        ),
        ("merge.yaml", "a: &a {x: 1}\nthalweg: {<<: *a, ros__parameters: [1, 2]}\n"),
    ]);
    let wide: Vec<u8> =
        "\u{feff}thalweg: {ros__parameters: {task: x}}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    seeds.push(("utf16.yaml", wide));
    seeds
}

pub(crate) fn observation() -> Seeds {
    all(&[
        ("joints.json", r#"{"stamp_nanos": 7, "joints": {"hip": 0.5, "knee": null}}"#),
        ("lists.json", r#"{"joints": {"name": ["hip", "knee"], "position": [0.5, -1e0]}}"#),
        ("points.json", r#"{"points": {"a": [0.1, null, 0.3], "b": [1, 2, 3]}}"#),
        ("image.json", r#"{"image": {"height": 6, "width": 8, "channels": 3, "pixels": [0, 0.5, null, 1]}}"#),
        (
            "wrong.json",
            r#"{"joints": {"hip": 0.5, "hip": "\ud83d\u0000", "knee": [[1e400], {"a": 0}]}, "other": true}"#,
        ),
    ])
}

pub(crate) fn metadata() -> Seeds {
    let list = |paths: &str| {
        format!(
            "rosbag2_bagfile_information:\n  version: 5\n  storage_identifier: mcap\n  relative_file_paths:\n{paths}  \
             duration: {{nanoseconds: 1}}\n  topics_with_message_count: []\n"
        )
        .into_bytes()
    };
    let ours = r#"{"rosbag2_bagfile_information": {"relative_file_paths": ["demo_0.mcap"], "custom_data": {"thalweg_files": "[]"}}}"#;
    vec![
        ("one", list("    - demo_0.mcap\n")),
        ("old", list("    - demo/demo_0.mcap\n    - demo_1.mcap.zstd\n")),
        ("out", list("    - ../outside.mcap\n    - /dev/null\n    - ''\n")),
        ("ours", ours.as_bytes().to_vec()),
        ("none", b"rosbag2_bagfile_information: {version: 1}".to_vec()),
    ]
}

#[cfg(feature = "view")]
const ROBOT: &str = r#"<?xml version="1.0"?>
<robot name="arm" xmlns:xacro="http://ros.org/wiki/xacro">
  <material name="blue"><color rgba="0 0 0.8 1"/></material>
  <link name="base"><visual><origin xyz="0 0 0.1" rpy="0 0 0"/><geometry><box size="1 2 3"/></geometry></visual></link>
  <link name="upper"><visual><geometry><cylinder radius="0.05" length="0.3"/></geometry><material name="blue"/></visual></link>
  <link name="lower"><collision><geometry><sphere radius="0.1"/></geometry></collision></link>
  <link name="hand"/>
  <joint name="a" type="revolute"><parent link="base"/><child link="upper"/><origin xyz="0 0 1"/><axis xyz="0 0 1"/>
    <limit lower="-1" upper="1" effort="1" velocity="1"/></joint>
  <joint name="b" type="prismatic"><parent link="upper"/><child link="lower"/><axis xyz="1 0 0"/>
    <mimic joint="a" multiplier="2" offset="0.1"/></joint>
  <joint name="c" type="fixed"><parent link="lower"/><child link="hand"/></joint>
  <gazebo><sensor:camera name="x"/></gazebo>
</robot>"#;

pub(crate) fn description() -> Seeds {
    all(&[
        ("hand.yaml", include_str!("../../../../models/scripted/hand/task.yaml")),
        (
            "points.yaml",
            "name: a\nlatent: 2\njoints:\n  - {name: j, lower: -2, upper: 2, compare: chord}\npoints: {frame: f, names: [p, q]}\n\
             groups: {all: [j]}\nskeleton: {bones: [{to: p, joints: [j]}, {from: p, to: q}]}\nobjective: file\n",
        ),
        (
            "lpips.yaml",
            "name: a\nlatent: 1\njoints: [{name: j, lower: 0, upper: 1}]\nimage: {channels: 1, height: 31, width: 31, lpips: 2}\n\
             objective: [chord, lpips]\n",
        ),
        ("image.yaml", "name: a\nlatent: 1\nimage: {channels: 3, height: 64, width: 64, weight: 1e300}\n"),
    ])
}

#[cfg(feature = "view")]
pub(crate) fn urdf() -> Seeds {
    all(&[
        ("arm.urdf", ROBOT),
        ("sdf.urdf", "<sdf version='1.6'><model name='a'><link name='b'/></model></sdf>"),
        (
            "loop.urdf",
            "<robot name='a'><link name='b'/><link name='c'/><joint name='d' type='floating'><parent link='b'/><child link='c'/></joint><joint name='e' type='planar'><parent link='c'/><child link='b'/></joint></robot>",
        ),
        (
            "mesh.urdf",
            "<robot name='a'><link name='b'><visual><geometry><mesh filename='package://x/y.dae' scale='1 1 -1'/></geometry></visual><inertial><mass value='1e400'/></inertial></link><!-- &lt; --></robot>",
        ),
    ])
}
