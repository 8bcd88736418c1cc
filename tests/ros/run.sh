#!/usr/bin/env bash
# Runs the tests that drive the node over ROS: run.sh [tests by name]. THALWEG_NODE names another node.
# run.sh faults [arguments of faults.py]: the rows of faults.toml alone. run.sh soak --minutes N: the node at random.
# run.sh memcheck: damaged messages to a node under valgrind.
#
# Needs a python3.12 with rclpy: PREFIX/bin/ros-python of the provisioned ROS (THALWEG_ROS_PREFIX), or the python3 of a
# sourced ROS. Without one it says SKIPPED and succeeds, but fails where CI=true.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

skip() {
  printf '\n*** SKIPPED: the ROS peers did not run: %s ***\n\n' "$1" >&2
  [ "${CI:-}" = true ] && exit 1
  exit 0
}

has_rclpy() { "$1" -c 'import sys, rclpy; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1; }

python=${THALWEG_ROS_PREFIX:+$THALWEG_ROS_PREFIX/bin/ros-python}
if [ -z "$python" ] || ! has_rclpy "$python"; then
  python=$(command -v ros-python || command -v python3 || true)
fi
[ -n "$python" ] && has_rclpy "$python" || skip "no python3.12 with rclpy (THALWEG_ROS_PREFIX=${THALWEG_ROS_PREFIX:-})"

node=${THALWEG_NODE:-$root/target/release/thalweg_node}
[ -x "$node" ] || { echo "run.sh: no node at $node; build it: make programs" >&2; exit 1; }

site=$(PYTHON=$python "$root/tools/setup_site.sh" "$here/requirements.txt")
export PYTHONPATH=$site${THALWEG_MSGS_PYTHON:+:$THALWEG_MSGS_PYTHON}${PYTHONPATH:+:$PYTHONPATH}
export PYTHONDONTWRITEBYTECODE=1 PYTHONFAULTHANDLER=1
if [ "${1:-}" = faults ] || [ "${1:-}" = soak ] || [ "${1:-}" = memcheck ]; then
  exec "$python" "$here/$1.py" "${@:2}"
fi
cd "$here"
if [ $# -gt 0 ]; then
  exec "$python" -m unittest -v "$@"
fi
# Both wait more than they compute: side by side, in ROS domains of their own. What the rows say comes in one piece.
rows=$(mktemp)
trap 'rm -f "$rows"' EXIT
"$python" "$here/suite.py" --rows "$rows"
