#!/usr/bin/env bash
# Runs cargo on the whole workspace, with the ROS 2 node where tools/setup.sh found a ROS 2 (THALWEG_ROS=1):
#   tools/cargo.sh build --release
# Always the same crates with the same features, so that nothing is compiled twice.
set -euo pipefail
if [ "${THALWEG_ROS:-0}" = 1 ]; then
  selection=(--workspace --features thalweg-cli/ros,thalweg-lab/ros,thalweg-view/ros)
else
  selection=(--workspace --exclude thalweg-ros --exclude own_node)
fi
# r2r 0.9.7 builds against Kilted as it does against Jazzy, but does not know the name.
[ "${ROS_DISTRO:-}" != kilted ] || export ROS_DISTRO=jazzy
exec cargo "$1" "${selection[@]}" "${@:2}"
