"""Asks rclpy what it makes of command lines: JSON in, JSON out. A program of its own, away from the doubles."""

import json
import sys

import rclpy
from rclpy.context import Context


def ask(question):
    """Starts a node with a command line; gives its name, the topics as they end up, and its parameters."""
    context = Context()
    rclpy.init(args=question['argv'], context=context)
    node = rclpy.create_node(
        'node', context=context, enable_rosout=False, start_parameter_services=False,
        allow_undeclared_parameters=True, automatically_declare_parameters_from_overrides=True)
    answer = {
        'full_name': node.get_fully_qualified_name(),
        'topics': {topic: node.resolve_topic_name(topic) for topic in question['topics']},
        'parameters': {name: value.value for name, value in node.get_parameters_by_prefix('').items()},
    }
    node.destroy_node()
    rclpy.shutdown(context=context)
    return answer


json.dump([ask(question) for question in json.load(sys.stdin)], sys.stdout, default=list)
