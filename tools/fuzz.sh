#!/usr/bin/env bash
# Fuzzes one way in: fuzz.sh ENTRY [options of libFuzzer], as: tools/run.sh tools/fuzz.sh joints -runs=1000000
# Needs no nightly: our own crates are compiled with libFuzzer's counters, libtorch and other crates are as they are.
# `fuzz/` is the same for cargo-fuzz, which instruments all, with a sanitizer, and compiles all for it.
# Inputs that open new ways are kept in target/fuzz/ENTRY; what fails is written to target/fuzz/ENTRY-crash-*.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
entry=$1
shift
[ -d "$root/fuzz/corpus/$entry" ] || { echo "fuzz.sh: no entry '$entry'; there are: $(ls "$root/fuzz/corpus")" >&2; exit 2; }
features=libfuzzer
[ "$entry" != urdf ] || features=libfuzzer,view
cd "$root"
RUSTC_WORKSPACE_WRAPPER=$root/tools/sancov.sh cargo build --release --locked -p thalweg-entries --example libfuzzer \
  --no-default-features --features "$features"
mkdir -p "target/fuzz/$entry"
THALWEG_ENTRY=$entry exec target/release/examples/libfuzzer -artifact_prefix="target/fuzz/$entry-" -max_len=65536 "$@" \
  "target/fuzz/$entry" "fuzz/corpus/$entry"
