"""All provocations by name, as faults.toml names them in `how`."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType

import faults_cameras
import faults_clouds
import faults_device
import faults_disk
import faults_engine
import faults_files
import faults_graph
import faults_images
import faults_joints
import faults_load
import faults_parameters
import faults_plugins
import faults_process
import faults_recordings
import faults_theta_file
import faults_time
import faults_trackers
import faults_view
import faults_weights
from rig import Rig

MODULES: tuple[ModuleType, ...] = (
    faults_joints,
    faults_images,
    faults_load,
    faults_time,
    faults_trackers,
    faults_cameras,
    faults_clouds,
    faults_parameters,
    faults_graph,
    faults_process,
    faults_engine,
    faults_plugins,
    faults_device,
    faults_disk,
    faults_files,
    faults_recordings,
    faults_weights,
    faults_theta_file,
    faults_view,
)
ROW_NAME = re.compile(r"[cjipftqdselwvgu]\d+_\w+")

ACTIONS: dict[str, Callable[[Rig], None]] = {
    name: function
    for module in MODULES
    for name, function in vars(module).items()
    if ROW_NAME.fullmatch(name)
}
