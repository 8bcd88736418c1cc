"""Whether an action is carried out."""

from .substitutions import perform

BOOLEANS = {'true': True, '1': True, 'false': False, '0': False}


def boolean(context, value):
    """Works out a condition; anything but a boolean word is refused, as launch does."""
    return value if isinstance(value, bool) else BOOLEANS[perform(context, value).strip().lower()]


class IfCondition:
    """Holds when the expression does."""

    def __init__(self, expression):
        self.expression = expression

    def holds(self, context):
        return boolean(context, self.expression)


class UnlessCondition(IfCondition):
    """Holds when the expression does not."""

    def holds(self, context):
        return not super().holds(context)
