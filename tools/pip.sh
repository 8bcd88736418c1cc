# shellcheck shell=bash
# Finds a pip, for the scripts beside this one:  . tools/pip.sh; find_pip FOLDER

# Finds a python that has pip; leaves it in $pip_python. FOLDER ($1) may get a virtual environment.
# Honours PYTHON, the python3 to use.
find_pip() {
  local python=${PYTHON:-python3} here
  here=$(dirname "${BASH_SOURCE[0]}")
  command -v "$python" >/dev/null || "$here/packages.sh" python3 || exit 2
  # shellcheck disable=SC2034 # for whoever sourced this
  pip_python=$python
  "$python" -m pip --version >/dev/null 2>&1 && return
  # Debian ships pip and ensurepip apart from python3; a virtual environment works where ensurepip is there.
  if "$python" -m venv "$1/venv" >/dev/null 2>&1; then
    # shellcheck disable=SC2034 # as above
    pip_python=$1/venv/bin/python
    return
  fi
  "$here/packages.sh" python3-pip || exit 2
  "$python" -m pip --version >/dev/null 2>&1 && return
  echo "pip: $python has no pip; give it one, or set PYTHON to a python3 that has" >&2
  exit 2
}
