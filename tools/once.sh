#!/usr/bin/env bash
# Makes sure that programs and tests are built of the same crates with the same features: else most are compiled twice.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Lists crates and their features along the edges $1.
features() { tools/cargo.sh tree --locked --prefix none --edges "$1" --format '{p} {f}' | sed 's/ (\*)$//; s/ *$//' | sort -u; }

programs=$(features normal,build)
# What only tests have is theirs; what programs have, tests must have as it is, and in no second form.
differ=$(comm -3 <(echo "$programs") <(features normal,build,dev) | sed 's/^\t//' | sort -u |
  awk 'NR == FNR { known[$1 " " $2]; next } ($1 " " $2) in known' <(echo "$programs") -)
[ -z "$differ" ] && exit
echo "once: tests want other features of these; say so in Cargo.toml:" >&2
printf '%s\n' "$differ" >&2
exit 1
