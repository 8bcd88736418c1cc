#!/usr/bin/env bash
# Writes a bill of materials (CycloneDX, JSON) of each program into the folder $1: every crate that is built in, with
# version, licence and checksum. Uses the cargo-cyclonedx on PATH, else builds the one that is pinned here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=0.5.9
folder=${1:?usage: tools/sbom.sh FOLDER}
programs=(thalweg-cli thalweg-lab thalweg-ros thalweg-view)

if ! command -v cargo-cyclonedx >/dev/null; then
  home=${XDG_CACHE_HOME:-$HOME/.cache}/thalweg/cyclonedx-$version
  # Its own lock file fixes all that it is built of. Without optimisation: it runs for a second.
  [ -x "$home/bin/cargo-cyclonedx" ] ||
    cargo install --quiet --locked --debug --root "$home" --version "=$version" cargo-cyclonedx
  PATH=$home/bin:$PATH
fi

# It writes beside each manifest of the workspace.
name=thalweg-sbom
trap 'find src plugins tests examples -maxdepth 2 -name "$name.json" -delete' EXIT
cargo cyclonedx --quiet --format json --target all --all-features --spec-version 1.5 --override-filename "$name"
mkdir -p "$folder"
for program in "${programs[@]}"; do
  mv "src/${program#thalweg-}/$name.json" "$folder/$program.cdx.json"
done
echo "sbom: $(cat "$folder"/*.cdx.json | grep -c '"purl"') crates in ${#programs[@]} programs, into $folder"
