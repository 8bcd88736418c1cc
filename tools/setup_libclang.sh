#!/usr/bin/env bash
# Leaves a libclang for bindgen where none is installed, from a wheel on PyPI, without root, and prints the lines that make
# a shell use it. As root in CI, or with THALWEG_APT=1, the Debian package is installed instead, and nothing printed.
# The wheel has no headers of the compiler (stddef.h ..): those of the C compiler here are used.
# Honours LIBCLANG_PATH, which is used as it is, and PYTHON, the python3 to use.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Tells whether there is a libclang with the headers that bindgen wants.
have_libclang() {
  local root
  [ -z "${LIBCLANG_PATH:-}" ] || return 0
  for root in "${LLVM_ROOT:-/usr/lib}"/llvm-*; do
    compgen -G "$root/lib/libclang[.-]*so*" >/dev/null || continue
    ! compgen -G "$root/lib/clang/*/include/stddef.h" >/dev/null || return 0
  done
  return 1
}

! have_libclang || exit 0
if [ "$(id -u)" = 0 ] && { [ "${CI:-}" = true ] || [ "${THALWEG_APT:-}" = 1 ]; }; then
  exec "$here/packages.sh" libclang-dev
fi
headers=$("${CC:-cc}" -print-file-name=include)
if [ ! -f "$headers/stddef.h" ]; then
  echo "setup_libclang: ${CC:-cc} has no stddef.h in $headers; please install libclang-dev, or set LIBCLANG_PATH" >&2
  exit 2
fi
site=$("$here/setup_site.sh" "$here/libclang/requirements.txt")
printf 'export LIBCLANG_PATH=%q\n' "$site/clang/native"
printf 'export BINDGEN_EXTRA_CLANG_ARGS=%q\n' "${BINDGEN_EXTRA_CLANG_ARGS:+$BINDGEN_EXTRA_CLANG_ARGS }-isystem $headers"
