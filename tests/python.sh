#!/usr/bin/env bash
# Runs the tests that are written in Python: launch files, package, installation, recordings. tools/run.sh tests/python.sh
# Without ROS 2 (THALWEG_ROS=0) those that need it are skipped, which is said.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=${THALWEG_ROS_PYTHON:-}
export PYTHONDONTWRITEBYTECODE=1
if [ "${THALWEG_ROS:-0}" = 1 ]; then
  if [ -z "$python" ]; then
    # Not for rclpy: yaml and the ament packages, which any Python runs.
    python=${PYTHON:-python3}
    export PYTHONPATH=$THALWEG_ROS_PREFIX/lib/python3.12/site-packages${PYTHONPATH:+:$PYTHONPATH}
  fi
  THALWEG_COLCON=$(PYTHON=$python tools/setup_site.sh tests/packaging/requirements.txt)
  export THALWEG_COLCON
fi
python=${python:-${PYTHON:-python3}}
if ! "$python" -c 'import sys, yaml; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "tests/python.sh: SKIPPED launch files and package: $python is older than 3.11 or has no yaml" >&2
  [ "${CI:-}" != true ] || exit 1
  exit 0
fi
for folder in tests/launch tests/packaging tests/tools; do
  "$python" -m unittest discover --start-directory "$folder" --verbose
done
site=$(PYTHON=$python tools/setup_site.sh tests/recordings/requirements.txt)
PYTHONPATH=$site "$python" -m unittest discover --start-directory tests/recordings --verbose
