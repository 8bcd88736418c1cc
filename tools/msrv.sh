#!/usr/bin/env bash
# Checks everything with the oldest Rust that will do, rust-version of Cargo.toml, which rustup fetches where it is missing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$here/../Cargo.toml" | head -n 1)
[[ $oldest == *.*.* ]] || oldest+=.0
if ! rustup run "$oldest" cargo --version 2>/dev/null && ! rustup toolchain install "$oldest" --profile minimal >&2; then
  echo "msrv: SKIPPED: no Rust $oldest and no way to get it" >&2
  exit
fi
export RUSTUP_TOOLCHAIN=$oldest
exec "$here/cargo.sh" check --release --locked
