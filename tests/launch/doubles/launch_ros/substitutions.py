"""Text that comes from the ament index."""

from ament_index_python.packages import get_package_share_directory
from launch.substitutions import Substitution, normalize, perform


class FindPackageShare(Substitution):
    """Gives the share folder of a package."""

    def __init__(self, package):
        self.package = normalize(package)

    def perform(self, context):
        return get_package_share_directory(perform(context, self.package))
