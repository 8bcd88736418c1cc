#!/usr/bin/env bash
# Leaves a libtorch that tch 0.24 builds against. Run it with --help.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/pip.sh
. "$here/pip.sh"

readonly TORCH=2.11.0
machine=${THALWEG_MACHINE:-$(uname -m)}
readonly machine WHEEL=torch-2.11.0-cp312-cp312-manylinux_2_28_$machine.whl
case $machine in
  x86_64) SHA256=0f68f4ac6d95d12e896c3b7a912b5871619542ec54d3649cf48cc1edd4dd2756 ;;
  aarch64) SHA256=f99924682ef0aa6a4ab3b1b76f40dc6e273fca09f367d15a524266db100a723f ;;
  *) SHA256= ;;
esac
readonly SHA256
# What torch 2.11.0's metadata pins for a GPU; triton and the pure-Python packages are not needed from C++.
readonly CUDA_LOCK=$here/cuda.lock

usage() {
  cat <<USAGE
usage: tools/setup_libtorch.sh [cpu|cuda] [FOLDER]

Leaves libtorch $TORCH in FOLDER, built from torch's wheel on PyPI, and prints the lines that
make a shell use it:   eval "\$(tools/setup_libtorch.sh)"

  cpu      libtorch for the CPU (up to 531 MB download, 0.5 GB on disk); the default
  cuda     libtorch for NVIDIA GPUs (about 3 GB download; x86-64 only)
  FOLDER   default: \${XDG_CACHE_HOME:-\$HOME/.cache}/thalweg/libtorch-$TORCH

Does nothing where it ran before. A LIBTORCH that is set already is used as it is.
Needs python3 with pip (any version from 3.8), and for cpu also cc and readelf.

  PYTHON        the python3 to use
  THALWEG_MACHINE  x86_64 or aarch64, to build for another machine than this one (uname -m); CC is that one's compiler
  WHEEL_CACHE   keeps downloaded wheels in this folder; otherwise they are removed after use
  THALWEG_APT   1: as root, install missing Debian packages (implied by CI=true)
USAGE
}

say() { printf '%s\n' "$*" >&2; }
refuse() { say "setup_libtorch: $*"; exit 2; }

# Prints what a shell needs to use the libtorch in folder $1.
print_environment() {
  printf 'export LIBTORCH=%q\n' "$1"
  # shellcheck disable=SC2016 # expanded by the shell that evaluates it
  printf 'export LD_LIBRARY_PATH=%q${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}\n' "$1/lib"
  printf 'unset LIBTORCH_USE_PYTORCH LIBTORCH_BYPASS_VERSION_CHECK\n'
}

# Downloads the wheels of lock file $1 for Python 3.12 whatever python runs this. --no-deps: the locks are closed.
download() {
  local platforms=(--platform any) version
  for version in 2_28 2_27 2_26 2_25 2_24 2_18 2_17 2_12 2_5 2014 2010 1; do
    case $version in
      *_*) platforms+=(--platform "manylinux_${version}_$machine") ;;
      *) platforms+=(--platform "manylinux${version}_$machine") ;;
    esac
  done
  "$pip_python" -m pip download --quiet --no-cache-dir --disable-pip-version-check --no-deps --require-hashes \
    --only-binary=:all: --python-version 3.12 --implementation cp --abi cp312 --abi abi3 --abi none \
    "${platforms[@]}" -d "$wheels" -r "$1"
}

is_torch_wheel() { echo "$SHA256  $wheels/$WHEEL" | sha256sum --check --status - 2>/dev/null; }

download_torch() {
  is_torch_wheel && return
  find_pip "$site.tmp"
  rm -f "$wheels/$WHEEL"
  say "setup_libtorch: downloading torch $TORCH (up to 531 MB)"
  download "$torch_lock" || refuse "pip could not download torch $TORCH; see its message above"
  is_torch_wheel || refuse "$wheels/$WHEEL is not the file that was expected: wrong sha256"
}

# Unpacks the members that match pattern $1 of wheel $2, or of those in folder $2, that lock file $3 lists.
unpack() { "${PYTHON:-python3}" -B "$here/unpack_ros2.py" --matching "$1" "$2" "$site.tmp" "$3"; }

# Writes C that stands in for library $1: every symbol that libtorch wants from it, by symbol version.
write_stub() {
  printf '/* Stands in for %s on a machine without CUDA; generated. */\n' "$1"
  readelf -W --dyn-syms "$torch/lib/libtorch_cpu.so" "$torch/lib/libc10.so" |
    awk -v so="$1" '$7 == "UND" { n = split($8, part, "@"); if (n >= 2 && part[n] == so) print part[1] }' | sort -u |
    while read -r symbol; do
      case $symbol in
        *GetErrorString) echo "const char *$symbol(int e) { (void)e; return \"no CUDA here\"; }" ;;
        cudaGetDeviceCount) echo "int $symbol(int *n) { if (n) *n = 0; return 100; /* cudaErrorNoDevice */ }" ;;
        *) echo "int $symbol(void) { return 999; /* cudaErrorUnknown */ }" ;;
      esac
    done
}

# The wheel's libtorch_cpu wants libcudart and libcupti; two tiny libraries stand in for them.
build_stubs() {
  local library
  for library in libcudart.so.13 libcupti.so.13; do
    write_stub "$library" >"$site.tmp/$library.c"
    printf '%s { global: *; };\n' "$library" >"$site.tmp/$library.map"
    "${CC:-cc}" -shared -fPIC -O1 "-Wl,-soname,$library" "-Wl,--version-script=$site.tmp/$library.map" \
      -o "$torch/lib/$library" "$site.tmp/$library.c"
  done
}

unpack_cpu() {
  unpack 'torch/include/|torch/lib/lib(torch_cpu|c10|gomp|gfortran|arm_compute.*|nvpl_.*)\.so[.0-9]*$' \
    "$wheels/$WHEEL" "$torch_lock"
  # The wheel's libtorch.so is an empty umbrella that needs libtorch_cuda; here -ltorch means torch_cpu.
  printf 'INPUT(-ltorch_cpu -lc10)\n' >"$torch/lib/libtorch.so"
  build_stubs
}

unpack_cuda() {
  [ -n "${pip_python:-}" ] || find_pip "$site.tmp"
  unpack 'torch/(include|lib)/' "$wheels/$WHEEL" "$torch_lock"
  say "setup_libtorch: downloading CUDA libraries (2.5 GB)"
  download "$CUDA_LOCK" || refuse "pip could not download the CUDA libraries; see its message above"
  unpack 'nvidia/.*/lib/.*\.so' "$wheels" "$CUDA_LOCK"
}

install() {
  rm -rf "$site" "$site.tmp"
  mkdir -p "$site.tmp" "$wheels"
  torch_lock=$site.tmp/torch.lock
  echo "torch==$TORCH --hash=sha256:$SHA256" >"$torch_lock"
  download_torch
  "unpack_$flavour"
  echo "$TORCH+cu130" >"$torch/build-version" # what torch-sys checks
  rm -rf "$site.tmp/venv" "$torch_lock"
  [ -n "${WHEEL_CACHE:-}" ] || rm -rf "$wheels"
  mv "$site.tmp" "$site" # last, so that a folder with this name is whole
  say "setup_libtorch: libtorch $TORCH ($flavour) is in $site"
}

main() {
  case ${1:-cpu} in -h | --help) usage && exit ;; cpu | cuda) flavour=${1:-cpu} ;; *) usage >&2 && exit 2 ;; esac
  if [ -n "${LIBTORCH:-}" ]; then
    [ -d "$LIBTORCH/lib" ] || refuse "LIBTORCH is $LIBTORCH, which has no folder lib; unset it, or point it at a libtorch $TORCH"
    print_environment "$LIBTORCH"
    exit
  fi
  [ "$(uname -s)" = Linux ] && [ -n "$SHA256" ] && [ "$flavour-$machine" != cuda-aarch64 ] ||
    refuse "no $flavour libtorch recipe for $(uname -s) $machine; install libtorch $TORCH yourself and set LIBTORCH to it"
  local folder=${2:-${XDG_CACHE_HOME:-$HOME/.cache}/thalweg/libtorch-$TORCH}
  mkdir -p "$folder"
  folder=$(cd "$folder" && pwd)
  site=$folder/$flavour
  [ "$machine" = x86_64 ] || site+=-$machine
  torch=$site.tmp/torch
  wheels=${WHEEL_CACHE:-$folder/wheels}
  # One at a time: two builds that start together must not unpack over each other.
  exec 9>"$folder/lock"
  flock 9
  [ -d "$site" ] || install
  print_environment "$site/torch"
}

main "$@"
