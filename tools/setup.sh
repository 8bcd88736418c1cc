#!/usr/bin/env bash
# Provisions everything that a build needs, and prints the lines that make a shell use it:
#   eval "$(tools/setup.sh)"
# Quick where everything is there. What it cannot install itself, it asks for in one sentence.
# THALWEG_ROS=0 leaves out ROS 2, and with it the node; THALWEG_ROS=1 and CI=true insist on it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Asks for package $2 unless command $1 is there.
need() { command -v "$1" >/dev/null || "$here/packages.sh" "$2"; }

# Prints what ROS 2 needs and whether there is one, in THALWEG_ROS.
set_up_ros2() {
  local lines libclang
  if [ "${THALWEG_ROS:-}" = 0 ]; then
    echo 'export THALWEG_ROS=0'
  elif libclang=$("$here/setup_libclang.sh") && lines=$(eval "$libclang" && "$here/setup_ros2.sh"); then
    printf '%s\n%s\nexport THALWEG_ROS=1\n' "$libclang" "$lines"
  elif [ "${CI:-}" = true ] || [ "${THALWEG_ROS:-}" = 1 ]; then
    echo "setup: ROS 2 could not be had (see above), and CI=true or THALWEG_ROS=1 insists on it" >&2
    return 2
  else
    echo "setup: WARNING: ROS 2 could not be had (see above); going on WITHOUT the ROS 2 node and its tests" >&2
    echo 'export THALWEG_ROS=0'
  fi
}

# Looks for cargo where rustup leaves it, too.
if ! command -v cargo >/dev/null; then
  if [ ! -x "$HOME/.cargo/bin/cargo" ]; then
    echo "setup: cargo is missing; please install Rust from https://rustup.rs" >&2
    exit 2
  fi
  PATH=$HOME/.cargo/bin:$PATH
  # shellcheck disable=SC2016 # expanded by the shell that evaluates it
  printf 'export PATH=%q:$PATH\n' "$HOME/.cargo/bin"
fi

oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$here/../Cargo.toml" | head -n 1)
found=$(cargo --version | cut -d' ' -f2)
if [ "$(printf '%s\n' "$oldest" "$found" | sort -V | head -n 1)" != "$oldest" ]; then
  echo "setup: cargo is $found; at least $oldest is needed (rustup update)" >&2
  exit 2
fi

need c++ build-essential
if [ -z "${LIBTORCH:-}" ]; then
  need readelf binutils
  need python3 python3
fi
"$here/setup_libtorch.sh" "$@"
set_up_ros2
