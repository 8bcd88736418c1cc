#!/usr/bin/env bash
# Asks cargo-deny whether the dependency tree is what deny.toml allows: licences, bans, sources, and advisories where
# RustSec's database (a git repository on GitHub) can be had. Uses the cargo-deny on PATH, else fetches one.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."

deny=$(command -v cargo-deny) || deny=$("$here/setup_site.sh" "$here/deny/requirements.txt")/bin/cargo-deny
"$deny" --locked check licenses bans sources
if "$deny" --locked fetch db >/dev/null 2>&1; then
  "$deny" --locked check advisories
else
  echo "deny: SKIPPED advisories: RustSec's database cannot be reached from here" >&2
fi
