#!/usr/bin/env bash
# Leaves Python packages in a folder, for tests, and prints its name: tools/setup_site.sh REQUIREMENTS
# They are had by their hashes, and nothing of them is run.
# Honours PYTHON, the python3 that is to run them.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/pip.sh
. "$here/pip.sh"

requirements=$1
name=$(basename "$(dirname "$requirements")")
version=$({ cat "$requirements"; "${PYTHON:-python3}" --version; } | sha256sum)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/thalweg/$name-${version:0:8}
mkdir -p "$(dirname "$folder")"
exec 9>"$folder.lock"
flock 9
if [ ! -d "$folder" ]; then
  rm -rf "$folder.tmp"
  mkdir -p "$folder.tmp"
  find_pip "$folder.tmp"
  echo "setup_site: downloading what $requirements lists" >&2
  pip_running_nothing "$folder.tmp/stand-in" install --quiet --no-cache-dir --disable-pip-version-check \
    --root-user-action ignore --no-deps --require-hashes --target "$folder.tmp/site" -r "$requirements" >&2
  rm -rf "$folder.tmp/stand-in" "$folder.tmp/venv"
  mv "$folder.tmp" "$folder" # last, so that a folder with this name is whole
fi
printf '%s\n' "$folder/site"
