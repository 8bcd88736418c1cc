#!/usr/bin/env bash
# Cross compiles the native kernels for 64-bit ARM and runs their tests, and those of the steps that stand on them, with
# NEON in an emulator: tools/test_neon.sh [test names]. On an ARM machine `make test` does that, and better.
#
# Needs Debian's gcc-aarch64-linux-gnu, g++-aarch64-linux-gnu and qemu-user-static, which THALWEG_APT=1 lets it install
# as root, and rustup. It takes some ten minutes, most of them for compiling.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly TARGET=aarch64-unknown-linux-gnu CC=aarch64-linux-gnu-gcc EMULATOR=qemu-aarch64-static

for pair in "$CC:gcc-aarch64-linux-gnu" aarch64-linux-gnu-g++:g++-aarch64-linux-gnu "$EMULATOR:qemu-user-static"; do
  command -v "${pair%%:*}" >/dev/null || "$here/packages.sh" "${pair#*:}"
done
rustup target add "$TARGET"
environment=$(env -u LIBTORCH THALWEG_MACHINE=aarch64 CC="$CC" "$here/setup_libtorch.sh" cpu)
host=${LD_LIBRARY_PATH:-}
eval "$environment"
libraries=$LIBTORCH/lib
export LD_LIBRARY_PATH=$host # what the compiler itself runs with
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$CC
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C link-arg=-Wl,-rpath-link,$libraries"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="$EMULATOR -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH=$libraries"
[ $# -gt 0 ] || set -- native::
cargo test --release --locked -p thalweg-engine --lib --target "$TARGET" -- "$@"
