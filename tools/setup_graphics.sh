#!/usr/bin/env bash
# Makes sure that pictures can be drawn without a graphics card: Mesa's OpenGL in software (llvmpipe), by EGL.
#   tools/setup_graphics.sh [--window] [--compute]
# --window: also a virtual screen (Xvfb) and what a window loads when it opens, for the tests.
# --compute: also Vulkan in software (lavapipe), for the tests of `device: gpu`.
#
# Pictures are not drawn by Vulkan in software: lavapipe of Debian 12's Mesa 22.3 loses 218 MB with each. Packages are
# installed as tools/packages.sh says: as root, when CI=true or THALWEG_APT=1.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if ! command -v dpkg-query >/dev/null; then
  echo "setup_graphics: no Debian or Ubuntu; going on with the drivers that are there" >&2
  exit 0
fi
packages=(libegl1 libegl-mesa0 libgl1-mesa-dri)
for option in "$@"; do
  case $option in
    --window) packages+=(xvfb libx11-6 libx11-xcb1 libxcursor1 libxi6 libxkbcommon-x11-0 libxrandr2) ;;
    --compute) packages+=(libvulkan1 mesa-vulkan-drivers) ;;
    *) echo "usage: tools/setup_graphics.sh [--window] [--compute]" >&2 && exit 2 ;;
  esac
done
"$here/packages.sh" "${packages[@]}"
