"""A peer in a process of its own, to be stopped and killed.

usage: child.py publish RATE | listen TOPIC [COUNT] | babble TOPIC | hog
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

os.environ["THALWEG_PEER_CHILD"] = "1"


def start(*arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    """Starts this script; it shares our ROS domain."""
    argv = [sys.executable, str(Path(__file__).resolve()), *arguments]
    return subprocess.Popen(argv, env={**os.environ, **environment, "THALWEG_PEER_CHILD": "1"})


def end(child: subprocess.Popen[bytes]) -> None:
    """Kills a child and waits for its end."""
    child.kill()
    child.wait()


def publish(rate: float) -> None:
    """Publishes a standing person's legs until killed."""
    import rclpy
    from messages import joint_state, standing_legs
    from sensor_msgs.msg import JointState

    rclpy.init()
    publisher = rclpy.create_node("child").create_publisher(JointState, "/joint_states", 10)
    while True:
        publisher.publish(joint_state(standing_legs(), time.time_ns()))
        time.sleep(1.0 / rate)


def listen(topic: str, count: str = "1") -> None:
    """Subscribes reliably, once or many times, and keeps everything; prints nothing."""
    import rclpy
    from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import JointState

    profile = QoSProfile(history=HistoryPolicy.KEEP_ALL, reliability=ReliabilityPolicy.RELIABLE, depth=1)
    rclpy.init()
    node = rclpy.create_node("listener")
    for _ in range(int(count)):
        node.create_subscription(JointState, topic, lambda _: None, profile)
    rclpy.spin(node)


def babble(topic: str) -> None:
    """Publishes text, whatever type the topic has elsewhere: one process cannot have two types on one topic."""
    import rclpy
    from std_msgs.msg import String

    rclpy.init()
    publisher = rclpy.create_node("babbler").create_publisher(String, topic, 10)
    while True:
        publisher.publish(String(data="babble"))
        time.sleep(0.05)


def hog() -> None:
    """Burns one core."""
    while True:
        pass


if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    {"publish": lambda rate: publish(float(rate)), "listen": listen, "babble": babble, "hog": hog}[command](
        *rest
    )
