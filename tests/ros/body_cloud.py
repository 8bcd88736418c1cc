"""Clouds around the body: points on the side of its surface that a camera sees."""

from __future__ import annotations

import math
import random
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping

from test_body_places import URDF, Point, frames, times

Bone = tuple[list[float], list[float], float]


def bones(angles: Mapping[str, float]) -> list[Bone]:
    """Both ends, metres in the pelvis frame, and the radius of each limb."""
    found = frames(angles)
    out = []
    for link in ElementTree.parse(URDF).getroot().findall("link"):
        for visual in link.findall("visual"):
            cylinder = visual.find("geometry/cylinder")
            if cylinder is None or link.attrib["name"] not in found:
                continue
            # A limb goes from the link's origin twice as far as its middle.
            middle = [float(number) for number in visual.find("origin").attrib["xyz"].split()]
            orientation, place = found[link.attrib["name"]]
            end = [a + 2.0 * b for a, b in zip(place, times(orientation, middle), strict=True)]
            out.append((place, end, float(cylinder.attrib["radius"])))
    return out


def body_cloud(angles: Mapping[str, float], seen: Callable[[Point], Point], count: int, seed: int = 1) -> list[Point]:
    """Points of limbs where `seen` puts them, on the side of the origin, where the camera is."""
    draw = random.Random(seed)
    limbs = bones(angles)
    areas = [radius * (math.dist(a, b) + radius) for a, b, radius in limbs]
    points: list[Point] = []
    while len(points) < count:
        start, end, radius = draw.choices(limbs, areas)[0]
        share = draw.random()
        axis = [a + share * (b - a) for a, b in zip(start, end, strict=True)]
        along = [(b - a) / math.dist(start, end) for a, b in zip(start, end, strict=True)]
        way = [draw.gauss(0, 1) for _ in range(3)]
        off = sum(a * b for a, b in zip(way, along, strict=True))
        across = [a - off * b for a, b in zip(way, along, strict=True)]
        length = math.hypot(*across)
        point = seen(tuple(a + radius * b / length for a, b in zip(axis, across, strict=True)))
        if math.hypot(*point) < math.hypot(*seen(tuple(axis))):
            points.append(point)
    return points
