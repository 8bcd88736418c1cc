"""Shows thalweg at work: the node, what plays the bundled motion to it, its window, and TF where that can be had.

This is thalweg.launch.py with other defaults and all of its arguments; without a display, view:=false.
"""

from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_prefix, get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription, LogInfo
from launch.launch_description_sources import PythonLaunchDescriptionSource


def is_installed(package):
    """Holds when there is such a package."""
    try:
        get_package_prefix(package)
    except PackageNotFoundError:
        return False
    return True


def generate_launch_description():
    """Declares what is on by default here, and leaves the rest to thalweg.launch.py."""
    missing = [package for package in ('robot_state_publisher', 'tf2_ros') if not is_installed(package)]
    told = [LogInfo(msg=f"no TF in this demo: {' and '.join(missing)} not installed")] if missing else []
    defaults = {'demo': 'true', 'view': 'true', 'hypotheses_tf': '0' if missing else '1'}
    file = Path(get_package_share_directory('thalweg'), 'launch', 'thalweg.launch.py')
    return LaunchDescription([GroupAction([
        *[
            DeclareLaunchArgument(name, default_value=default, description=f'As in thalweg.launch.py; here {default}')
            for name, default in defaults.items()
        ],
        *told,
        IncludeLaunchDescription(PythonLaunchDescriptionSource(str(file))),
    ])])
