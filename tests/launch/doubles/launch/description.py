"""What is launched, and the state that launching it carries along."""


class LaunchContext:
    """Carries launch configurations, and here what was started and logged."""

    def __init__(self):
        self.launch_configurations = {}
        self.stack = []
        self.processes = []
        self.log = []

    def push(self):
        """Begins a scope. The copy is shallow: values that can change, as lists, stay shared."""
        self.stack.append(dict(self.launch_configurations))

    def pop(self):
        """Ends a scope."""
        self.launch_configurations = self.stack.pop()


class LaunchDescription:
    """Lists what is to be done."""

    def __init__(self, initial_entities=None):
        self.entities = list(initial_entities or [])

    def visit(self, context):
        """Gives what comes next."""
        return self.entities

    def describe_sub_entities(self):
        """Gives what can be known before the launch."""
        return self.entities

    def get_launch_arguments(self):
        """Finds the declared arguments; of those with one name the first counts."""
        found = {}
        pending = list(self.entities)
        while pending:
            entity = pending.pop(0)
            if hasattr(entity, 'default_value'):
                found.setdefault(entity.name, entity)
            pending = [*entity.describe_sub_entities(), *pending]
        return list(found.values())


def run(entity, context):
    """Visits an entity, then what comes of it, depth first."""
    for below in entity.visit(context) or []:
        run(below, context)
