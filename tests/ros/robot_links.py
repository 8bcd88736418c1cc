"""Where the links of a robot are: forward kinematics of a URDF of revolute and fixed joints, and points around them."""

from __future__ import annotations

import math
import random
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from messages import ROOT

Point = tuple[float, float, float]
G1 = ROOT / "models" / "robots" / "unitree_g1" / "robot.urdf"


def turn(axis: np.ndarray, angle: float) -> np.ndarray:
    """The rotation about an axis of length one."""
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + math.sin(angle) * cross + (1.0 - math.cos(angle)) * cross @ cross


def numbers(text: str | None) -> np.ndarray:
    """Three numbers, zero where there are none."""
    return np.array([float(number) for number in (text or "0 0 0").split()])


class Links:
    """The links of a URDF, in its order."""

    def __init__(self, path: Path = G1) -> None:
        root = ElementTree.parse(path).getroot()
        self.names = [link.get("name", "") for link in root.iter("link")]
        self.joints = [joint for joint in root.findall("joint") if joint.find("parent") is not None]
        children = {self.link_of(joint, "child") for joint in self.joints}
        self.root = next(name for name in self.names if name not in children)

    @staticmethod
    def link_of(joint: ElementTree.Element, end: str) -> str:
        """Parent or child of a joint."""
        found = joint.find(end)
        return "" if found is None else found.get("link", "")

    def places(self, positions: Mapping[str, float]) -> dict[str, Point]:
        """The place of each link but the root, metres, in the frame of the root."""
        frames = {self.root: (np.eye(3), np.zeros(3))}
        left = list(self.joints)
        while left:
            joint = next(joint for joint in left if self.link_of(joint, "parent") in frames)
            left.remove(joint)
            above, at = frames[self.link_of(joint, "parent")]
            origin = joint.find("origin")
            xyz, rpy = (numbers(None if origin is None else origin.get(key)) for key in ("xyz", "rpy"))
            x, y, z = np.eye(3)
            fixed = turn(z, rpy[2]) @ turn(y, rpy[1]) @ turn(x, rpy[0])
            axis = joint.find("axis")
            moved = np.eye(3)
            if joint.get("type") == "revolute" and axis is not None:
                moved = turn(numbers(axis.get("xyz")), positions[joint.get("name", "")])
            frames[self.link_of(joint, "child")] = (above @ fixed @ moved, at + above @ xyz)
        return {name: tuple(map(float, frames[name][1])) for name in self.names if name != self.root}

    def cloud(self, positions: Mapping[str, float], count: int, seed: int = 1) -> list[Point]:
        """Points around the lines between the places of links: what a camera sees of limbs."""
        draw = random.Random(seed)
        places = {**self.places(positions), self.root: (0.0, 0.0, 0.0)}
        pairs = [(places[self.link_of(j, "parent")], places[self.link_of(j, "child")]) for j in self.joints]
        lines = [(np.array(a), np.array(b)) for a, b in pairs if math.dist(a, b) >= 0.03]
        lengths = [float(np.linalg.norm(b - a)) for a, b in lines]
        points = []
        for start, end in draw.choices(lines, lengths, k=count):
            length = np.linalg.norm(end - start)
            along = (end - start) / length
            way = np.array([draw.gauss(0, 1) for _ in range(3)])
            across = way - along * (way @ along)
            radius = min(max(0.2 * length, 0.02), 0.07)
            point = start + draw.random() * (end - start) + across / np.linalg.norm(across) * radius
            points.append(tuple(map(float, point)))
        return points
