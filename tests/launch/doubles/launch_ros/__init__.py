"""Stands in for ROS 2's launch_ros, as launch beside it does."""
