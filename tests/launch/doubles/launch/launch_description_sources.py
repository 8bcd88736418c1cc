"""Launch files, by the ends of their names."""

import importlib.util

from .substitutions import normalize, perform


class LaunchDescriptionSource:
    """Loads the launch file at a path."""

    def __init__(self, location):
        self.location = normalize(location)

    def load(self, context):
        """Gives the launch description."""
        return self.read(perform(context, self.location))


class PythonLaunchDescriptionSource(LaunchDescriptionSource):
    """Runs a launch file in Python."""

    def read(self, path):
        spec = importlib.util.spec_from_file_location('python_launch_file', path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.generate_launch_description()


class AnyLaunchDescriptionSource(PythonLaunchDescriptionSource):
    """Runs a launch file in Python, or reads one in XML or YAML."""

    def read(self, path):
        from . import frontend  # which includes launch files itself
        return super().read(path) if path.endswith('.py') else frontend.load(path)
