"""Text that comes from the ament index."""

from launch.substitutions import perform


class FindPackageShare:
    """Gives the share folder of a package."""

    def __init__(self, package):
        self.package = package

    def perform(self, context):
        package = perform(context, self.package)
        return f'{context.prefixes[package]}/share/{package}'
