"""Stands in for ROS 2's launch, which no registry has: just what thalweg's launch files use.

Modelled on launch 3.4.3 and launch_ros 0.26.6 of Jazzy: what they refuse is refused here, and what is not modelled,
too. The doubles work out the command lines that launch would run, without running them.
"""

from .description import LaunchContext, LaunchDescription, run
from .substitutions import Substitution

__all__ = ['LaunchContext', 'LaunchDescription', 'Substitution', 'run']
