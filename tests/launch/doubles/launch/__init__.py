"""Stands in for ROS 2's launch, which no registry has: just what thalweg's launch files use.

Modelled on launch and launch_ros of Jazzy: the doubles take the same arguments, and work out the command lines that
launch would run, without running them.
"""


class LaunchContext:
    """Carries launch configurations, global parameters and what was started."""

    def __init__(self, arguments, prefixes):
        self.configurations = dict(arguments)
        self.prefixes = prefixes
        self.global_parameters = []
        self.declared = {}
        self.processes = []


class LaunchDescription:
    """Lists actions."""

    def __init__(self, entities):
        self.entities = list(entities)

    def run(self, context):
        """Carries out the actions in order."""
        for entity in self.entities:
            entity.visit(context)
