#!/usr/bin/env bash
# Runs cargo, with the ROS 2 node where tools/setup.sh found a ROS 2 (THALWEG_ROS=1): tools/cargo.sh build --release
set -euo pipefail
features=()
[ "${THALWEG_ROS:-0}" != 1 ] || features=(--features thalweg/ros)
exec cargo "$1" "${features[@]}" "${@:2}"
