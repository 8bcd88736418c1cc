#!/usr/bin/env bash
# Leaves colcon and cmake in a folder, for the packaging tests, and prints its name: tools/setup_colcon.sh
# Honours PYTHON, the python3 that is to run them.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/pip.sh
. "$here/pip.sh"

requirements=$here/../tests/packaging/requirements.txt
version=$({ cat "$requirements"; "${PYTHON:-python3}" --version; } | sha256sum)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/thalweg/colcon-${version:0:8}
mkdir -p "$(dirname "$folder")"
exec 9>"$folder.lock"
flock 9
if [ ! -d "$folder" ]; then
  rm -rf "$folder.tmp"
  mkdir -p "$folder.tmp"
  find_pip "$folder.tmp"
  echo "setup_colcon: downloading colcon and cmake (35 MB)" >&2
  # empy has no wheel.
  "$pip_python" -m pip install --quiet --no-cache-dir --disable-pip-version-check --root-user-action ignore \
    --no-deps --only-binary=:all: --no-binary=empy \
    --target "$folder.tmp/site" -r "$requirements" >&2
  mv "$folder.tmp" "$folder" # last, so that a folder with this name is whole
fi
printf '%s\n' "$folder/site"
