"""Parameters with a type."""

import yaml
from launch.substitutions import perform


class ParameterValue:
    """Gives a parameter's value; without a type, the one that YAML sees in it."""

    def __init__(self, value, *, value_type=None):
        self.value, self.value_type = value, value_type

    def evaluate(self, context):
        text = perform(context, self.value)
        return text if self.value_type is str else yaml.safe_load(text)
