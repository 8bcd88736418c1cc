#!/usr/bin/env bash
# Makes sure that Debian packages are installed: tools/packages.sh PACKAGE...
#
# As root, and when CI=true or THALWEG_APT=1, missing ones are installed. Otherwise says in one
# sentence what to install, and fails.
set -euo pipefail

missing=()
for package in "$@"; do
  dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ] && { [ "${CI:-}" = true ] || [ "${THALWEG_APT:-}" = 1 ]; } && command -v apt-get >/dev/null; then
  echo "packages: installing ${missing[*]}" >&2
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >&2
  exit
fi
echo "packages: please install ${missing[*]} (Debian, Ubuntu: sudo apt-get install ${missing[*]})" >&2
exit 2
