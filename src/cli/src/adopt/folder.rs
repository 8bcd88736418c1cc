//! What an adoption writes beside the weights: card, parameter file, launch file.

use std::path::Path;

use thalweg_nn::files::write_atomically;
use thalweg_robot::Robot;
use thalweg_robot::model::{DESCRIPTION, WEIGHTS};

use super::AdoptArguments;
use super::division::Divided;
use super::surprise::SURPRISE;
use super::timing::MOTION;
use super::training::{THETA, Trained, absolute};
use crate::console::line;

const CARD: &str = "README.md";
const PARAMETERS: &str = "robot.yaml";
const LAUNCH: &str = "robot.launch.py";

/// Writes them.
pub(super) fn write(
    arguments: &AdoptArguments,
    robot: &Robot,
    divided: &Divided,
    trained: &Trained,
    judgement: &str,
) -> anyhow::Result<()> {
    let output = &arguments.output;
    for (name, text) in [
        (CARD, card(arguments, robot, divided, trained, judgement)),
        (PARAMETERS, parameters(output)),
        (LAUNCH, LAUNCH_FILE.to_owned()),
    ] {
        write_atomically(&output.join(name), text.as_bytes())?;
    }
    Ok(())
}

fn card(arguments: &AdoptArguments, robot: &Robot, divided: &Divided, trained: &Trained, judgement: &str) -> String {
    let Trained { latent, explained, reconstruction, held_out, options } = trained;
    let name = |path: &Path| line(&path.file_name().unwrap_or_default().to_string_lossy()).into_owned();
    let data: Vec<String> = arguments.data.iter().map(|path| name(path)).collect();
    let quick = if arguments.quick { " --quick" } else { "" };
    let held_out = if held_out.is_finite() { format!("; held-out loss of theta {held_out:.4}") } else { String::new() };
    let alone = if reconstruction.is_finite() {
        format!("F alone is {reconstruction:.3} spreads of the typical joint off held-out frames")
    } else {
        "F was trained before this run".to_owned()
    };
    format!(
        "# {}\n\nThe joints of this robot, learned by `thalweg adopt {} {} --output DIR{quick}` (thalweg {}).\n\n\
         {DESCRIPTION} is its description, {WEIGHTS} the decoder F, {THETA} the landscape that searches begin with, {MOTION} how joints move in time, {SURPRISE} how they fit each other.\n\n\
         * Data: {:.1} minutes, {} frames to learn from, divided {}.\n\
         * Latent: {latent} numbers, which hold {:.1} % of the variance; {alone}{held_out}.\n\
         * Licence: that of the data and of the description.\n{judgement}\nOptions: `{options}`\n",
        line(&robot.name),
        name(&arguments.urdf),
        data.join(" "),
        env!("CARGO_PKG_VERSION"),
        divided.minutes,
        divided.training.size()[0],
        divided.how,
        explained * 100.0,
    )
}

fn parameters(output: &Path) -> String {
    let folder = serde_json::Value::String(absolute(output).display().to_string());
    format!("/**:\n  ros__parameters:\n    task: robot\n    robot.model: {folder}\n")
}

/// What to do next.
pub(super) fn how_to_start(output: &Path) -> String {
    let folder = output.display();
    format!(
        "\nwrote {folder}; next:\n  ros2 launch {folder}/{LAUNCH}\n  \
         ros2 run thalweg thalweg_node --ros-args -p task:=robot -p robot.model:={}\n",
        absolute(output).display()
    )
}

const LAUNCH_FILE: &str = r#""""Starts thalweg_node for this robot, and a robot_state_publisher that shows what it completes."""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

FOLDER = Path(__file__).resolve().parent


def generate_launch_description():
    urdf = (FOLDER / 'robot.urdf').read_text()
    return LaunchDescription([
        DeclareLaunchArgument('joint_states', default_value='joint_states', description='What the robot says'),
        Node(
            package='thalweg', executable='thalweg_node', name='thalweg', output='screen',
            parameters=[{'task': 'robot', 'robot.model': str(FOLDER), 'autostart': True}],
            remappings=[('joint_states', LaunchConfiguration('joint_states'))]),
        Node(
            package='robot_state_publisher', executable='robot_state_publisher', namespace='completed',
            parameters=[{'robot_description': urdf, 'frame_prefix': 'completed/'}],
            remappings=[('joint_states', '/thalweg/reconstruction')]),
    ])
"#;
