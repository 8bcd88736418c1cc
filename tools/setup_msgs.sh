#!/usr/bin/env bash
# Builds thalweg_msgs where no sourced prefix has it, and prints the prefix to put before AMENT_PREFIX_PATH, if any:
#   tools/setup_msgs.sh PREFIX PYTHON
# PREFIX is the one of ROS 2, PYTHON runs its rclpy; empty: no Python module is made.
# THALWEG_MSGS_PREFIX names the folder to install into; default: below ~/.cache/thalweg, named after what it is made of.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source=$here/../thalweg_msgs
prefix=$1
python=$2

say() { printf '%s\n' "$*" >&2; }

# Prints the Python itself where $1 is a wrapper, for CMake looks beside it for headers.
real_python() { "$1" -c 'import sys; print(sys.executable)'; }

# Makes cmake and the modules of the generators found: those of a whole ROS 2, else fetched ones.
find_generators() {
  if command -v cmake >/dev/null && "$1" -c 'import catkin_pkg.package, em, lark' 2>/dev/null; then
    return
  fi
  local site
  site=$(PYTHON=$1 "$here/setup_site.sh" "$here/msgs/requirements.txt")
  export PYTHONPATH=$site:$prefix/lib/python3.12/site-packages
  PATH=$site/cmake/data/bin:$PATH
}

build() {
  local log=$1.log options=() runs=${python:-${PYTHON:-python3}}
  [ -n "$python" ] || options=(-DTHALWEG_MSGS_C_ONLY=ON)
  runs=$(real_python "$runs")
  find_generators "$runs"
  rm -rf "$1.build" "$1.tmp" "$1.log"
  say "setup_msgs: building thalweg_msgs (a minute)"
  if ! {
    export AMENT_PREFIX_PATH=${AMENT_PREFIX_PATH:-$prefix} CMAKE_PREFIX_PATH=$prefix
    cmake -S "$source" -B "$1.build" -DPython3_EXECUTABLE="$runs" -DBUILD_TESTING=OFF \
      -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_RPATH="\$ORIGIN" -DCMAKE_INSTALL_RPATH_USE_LINK_PATH=ON -DCMAKE_INSTALL_PREFIX="$1" "${options[@]}" &&
      cmake --build "$1.build" --parallel 2 && DESTDIR=$1.tmp cmake --install "$1.build"
  } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    say "setup_msgs: thalweg_msgs could not be built; all is in $log"
    exit 2
  fi
  mkdir -p "$(dirname "$1")"
  rm -rf "$1"
  mv "$1.tmp$1" "$1" # last, so that a folder with this name is whole
  rm -rf "$1.build" "$1.tmp" "$log"
}

# Whether a prefix that is sourced has the package.
IFS=: read -ra sourced <<<"${AMENT_PREFIX_PATH:-}"
for folder in "${sourced[@]}"; do
  [ ! -f "$folder/share/ament_index/resource_index/packages/thalweg_msgs" ] || exit 0
done

revision=$({ cat "$source"/*.* "$source"/*/* "${BASH_SOURCE[0]}"; echo "$prefix $python"; } | sha256sum)
target=${THALWEG_MSGS_PREFIX:-${XDG_CACHE_HOME:-$HOME/.cache}/thalweg/thalweg_msgs-${revision:0:8}}
target=$(realpath -m "$target")
mkdir -p "$(dirname "$target")"
exec 9>"$target.lock"
flock 9
[ "$(cat "$target/.revision" 2>/dev/null)" = "$revision" ] || {
  build "$target"
  printf '%s\n' "$revision" >"$target/.revision"
}
printf '%s\n' "$target"
