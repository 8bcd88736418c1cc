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

# Runs pip, but nothing of a source package that has no wheel:  pip_running_nothing FOLDER ARGUMENT..
# FOLDER gets a stand-in for setuptools, which pip asks instead of running the package's setup.py. A package whose
# pyproject.toml names another backend would get past it: the hashes are of packages that have none.
pip_running_nothing() {
  local stand_in=$1 path=$1${PYTHONPATH:+:$PYTHONPATH} used
  shift
  stand_in_for_setuptools "$stand_in"
  used=$(PYTHONPATH=$path "$pip_python" -B -c 'import setuptools.build_meta as used; print(used.__file__)')
  if [ "$used" != "$stand_in/setuptools/build_meta.py" ]; then
    echo "pip: $pip_python finds setuptools in $used, which would run setup.py of packages; set PYTHON to another" >&2
    return 2
  fi
  PYTHONPATH=$path "$pip_python" -m pip "$@" --no-build-isolation --use-pep517
}

# Writes a stand-in for setuptools into folder $1. It takes name and version from the package's PKG-INFO, and for a
# wheel the modules at its top; it imports and runs nothing of it.
stand_in_for_setuptools() {
  mkdir -p "$1/setuptools"
  : >"$1/setuptools/__init__.py"
  cat >"$1/setuptools/build_meta.py" <<'PYTHON'
import email, pathlib, shutil, sys, zipfile

def stem():
    package = email.message_from_bytes(pathlib.Path("PKG-INFO").read_bytes())
    return "-".join(package[key].replace("-", "_") for key in ("Name", "Version"))

def get_requires_for_build_wheel(settings=None):
    return []

def prepare_metadata_for_build_wheel(folder, settings=None):
    info = stem() + ".dist-info"
    pathlib.Path(folder, info).mkdir()
    shutil.copy("PKG-INFO", pathlib.Path(folder, info, "METADATA"))
    return info

def build_wheel(folder, settings=None, metadata=None):
    name, info = stem() + "-py3-none-any.whl", stem() + ".dist-info/"
    tag = "Wheel-Version: 1.0\nGenerator: thalweg\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {path.name: path.read_bytes() for path in pathlib.Path().glob("*.py") if path.name != "setup.py"}
    files.update({info + "METADATA": pathlib.Path("PKG-INFO").read_bytes(), info + "WHEEL": tag.encode()})
    files[info + "RECORD"] = "".join(file + ",,\n" for file in [*files, info + "RECORD"]).encode()
    with zipfile.ZipFile(pathlib.Path(folder, name), "w") as archive:
        for file, data in files.items():
            archive.writestr(file, data)
    return name

__legacy__ = sys.modules[__name__]  # what pip asks where there is no pyproject.toml
PYTHON
}
