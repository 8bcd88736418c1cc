"""Where packages are installed, by the markers below the prefixes of AMENT_PREFIX_PATH."""

import os
from pathlib import Path


class PackageNotFoundError(KeyError):
    """No prefix has the package."""

    def __str__(self):
        return str(self.args[0])


def get_package_prefix(name):
    """Gives the first prefix that has the package."""
    prefixes = os.environ['AMENT_PREFIX_PATH'].split(os.pathsep)
    for prefix in prefixes:
        if Path(prefix, 'share/ament_index/resource_index/packages', name).is_file():
            return prefix
    raise PackageNotFoundError(f"package '{name}' not found, searching: {prefixes}")


def get_package_share_directory(name):
    """Gives the package's share folder."""
    return os.path.join(get_package_prefix(name), 'share', name)
