#!/usr/bin/env bash
# Builds thalweg_msgs where no sourced prefix has it, and prints the prefix to put before AMENT_PREFIX_PATH, if any:
#   tools/setup_msgs.sh PREFIX PYTHON
# PREFIX is the one of ROS 2, PYTHON runs its rclpy; empty: no Python module is made.
# THALWEG_STAND_INS=1 also makes what we need of other packages (launch/msgs), where the wheels of ROS 2 lack them.
# THALWEG_MSGS_PREFIX names the folder to install into; default: below ~/.cache/thalweg, named after what it is made of.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source=$here/../thalweg_msgs
others=$here/../launch/msgs
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

# Writes a package around the messages of $others/$1 into folder $2.
write_package() {
  local name=$1 messages
  mkdir -p "$2"
  cp -r "$others/$name/msg" "$2"
  messages=$(cd "$2" && printf '%s ' msg/*.msg)
  cat >"$2/package.xml" <<XML
<package format="3">
  <name>$name</name>
  <version>0.0.0</version>
  <description>What thalweg needs of $name, for its tests.</description>
  <maintainer email="maintainers@thalweg.invalid">thalweg maintainers</maintainer>
  <license>MIT</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <member_of_group>rosidl_interface_packages</member_of_group>
  <export><build_type>ament_cmake</build_type></export>
</package>
XML
  { sed -e "s/^project(.*)/project($name)/" -e '/^rosidl_generate_interfaces/,$d' "$source/CMakeLists.txt"
    echo "find_package(geometry_msgs REQUIRED)
rosidl_generate_interfaces(\${PROJECT_NAME} $messages DEPENDENCIES geometry_msgs std_msgs)
ament_package()"; } >"$2/CMakeLists.txt"
}

# Configures, builds and installs the package in folder $1 into $2, below $2.tmp.
make_package() {
  rm -rf "$2.build"
  cmake -S "$1" -B "$2.build" -DPython3_EXECUTABLE="$runs" -DBUILD_TESTING=OFF -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_INSTALL_RPATH="\$ORIGIN" -DCMAKE_INSTALL_RPATH_USE_LINK_PATH=ON -DCMAKE_INSTALL_PREFIX="$2" "${options[@]}" &&
    cmake --build "$2.build" --parallel 2 && DESTDIR=$2.tmp cmake --install "$2.build"
}

build() {
  local log=$1.log options=() runs=${python:-${PYTHON:-python3}} name
  [ -n "$python" ] || options=(-DTHALWEG_MSGS_C_ONLY=ON)
  runs=$(real_python "$runs")
  find_generators "$runs"
  rm -rf "$1.tmp" "$1.log"
  export AMENT_PREFIX_PATH=${AMENT_PREFIX_PATH:-$prefix} CMAKE_PREFIX_PATH=$prefix
  for name in "${packages[@]}"; do
    local folder=$source
    say "setup_msgs: building $name (a minute)"
    if [ "$name" != thalweg_msgs ]; then
      folder=$1.source/$name
      rm -rf "$folder"
      write_package "$name" "$folder"
    fi
    make_package "$folder" "$1" >>"$log" 2>&1 || {
      tail -n 20 "$log" >&2
      say "setup_msgs: $name could not be built; all is in $log"
      exit 2
    }
  done
  mkdir -p "$(dirname "$1")"
  rm -rf "$1"
  mv "$1.tmp$1" "$1" # last, so that a folder with this name is whole
  rm -rf "$1.build" "$1.source" "$1.tmp" "$log"
}

# Whether a prefix that is sourced has the package.
IFS=: read -ra sourced <<<"${AMENT_PREFIX_PATH:-}"
for folder in "${sourced[@]}"; do
  [ ! -f "$folder/share/ament_index/resource_index/packages/thalweg_msgs" ] || exit 0
done

packages=(thalweg_msgs)
[ "${THALWEG_STAND_INS:-}" != 1 ] || for folder in "$others"/*/; do packages+=("$(basename "$folder")"); done
revision=$({ cat "$source"/*.* "$source"/*/* "${BASH_SOURCE[0]}"; echo "$prefix $python ${packages[*]}"; cat "$others"/*/msg/*; } | sha256sum)
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
