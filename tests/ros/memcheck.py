"""Sends damaged messages to a node under valgrind's memcheck, and tells every wrong access to memory.

memcheck.py [--messages 10000] [--seed 1] [--rate 60]: joints and clouds with bytes changed, cut off or put in. Needs
valgrind, and what run.sh sets up: `tests/ros/run.sh memcheck`. It takes the place of AddressSanitizer, which would have
to compile all crates anew, and sees the libraries that are not ours, too.

Exits with 1 when memcheck reports anything but the dynamic loader's own reads, or the node ends or does not answer.
"""

from __future__ import annotations

import argparse
import random
import re
import struct
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from messages import arm_tips, cdr, joint_state, point_cloud
from node_process import NodeProcess
from peer import Peer, wait_for
from sensor_msgs.msg import PointCloud2

SLOW = 240.0
"""Seconds within which a node that runs some 30 times slower must do what it does."""

ODD = (
    b"\0", b"\xff", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\xff" * 8, struct.pack("<I", 65536),
    struct.pack("<d", float("nan")), struct.pack("<d", 1e308), struct.pack("<f", float("inf")), struct.pack("<f", 1e19),
)

JOINTS = {"joint_1": 0.1, "joint_2": 0.2}


def damaged(message: bytes, chance: random.Random) -> bytes:
    """Changes a message in a few places; it is never empty: Fast DDS hands a reliable reader nothing after that."""
    changed = bytearray(message)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        place, kind = chance.randrange(len(changed)), chance.random()
        if kind < 0.5:
            value = chance.choice(ODD)
            place -= place % 4
            changed[place : place + len(value)] = value
        elif kind < 0.7:
            changed[place] = chance.randrange(256)
        elif kind < 0.9 and place > 4:
            del changed[place : place + chance.choice((1, 4, 1000))]
        else:
            changed[place:place] = chance.randbytes(chance.choice((1, 4, 16)))
    return bytes(changed)


def complaints(log: Path) -> Counter[str]:
    """Counts what memcheck says by kind and place; the loader's own reads, which each program has, are left out."""
    found: Counter[str] = Counter()
    for text in re.split(r"==\d+== \n", log.read_text(errors="replace")):
        lines = [re.sub(r"^==\d+== ", "", line) for line in text.splitlines()]
        frames = [line for line in lines if re.match(r"\s+(at|by) 0x", line)]
        is_complaint = lines and re.match(r"Invalid |Use of |Conditional |Syscall param |Jump to |Mismatched ", lines[0])
        if is_complaint and not (len(frames) > 1 and "dl-load.c" in frames[1]):
            found[" | ".join([lines[0], *(frame.strip() for frame in frames[:6])])] += 1
    return found


def drive(peer: Peer, node: NodeProcess, arguments: argparse.Namespace) -> None:
    """Sends the messages, a sound one after every fifty, and asks for an answer in the end."""
    chance = random.Random(arguments.seed)
    clouds = peer.publisher(PointCloud2, "points", matched=1)
    peer.wait_matched(peer.joints)
    for number in range(arguments.messages):
        stamp = peer.now_nanos()
        if number % 3:
            peer.joints.publish(damaged(cdr(joint_state(JOINTS, stamp)), chance))
        else:
            clouds.publish(damaged(cdr(point_cloud(arm_tips([0.1, 0.2, 0.3]), stamp)), chance))
        if number % 50 == 0:
            peer.publish_joints(JOINTS)
        time.sleep(1 / arguments.rate)
        assert node.alive, f"the node has ended with {node.process.returncode} after {number} messages"
    before = len(peer.reconstruction.messages)

    def answered() -> bool:
        peer.publish_joints(JOINTS)
        time.sleep(1.0)
        return len(peer.reconstruction.messages) > before

    wait_for(answered, timeout=SLOW, what="an answer after all of it")


def main() -> int:
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=60.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "memcheck.log"
        prefix = ("valgrind", "--tool=memcheck", f"--log-file={log}", "--error-limit=no", "--num-callers=24")
        given = {"task": "planar_arm", "budget.steps": 2, "budget.deadline": 1.0}
        with NodeProcess(parameters=given, prefix=prefix) as node, Peer() as peer:
            wait_for(lambda: "active: listening" in node.stderr(), timeout=SLOW, what="an active node")
            begun = sum(complaints(log).values())
            drive(peer, node, arguments)
            refused = len(re.findall(r"undecodable|refused", node.stderr()))
            assert not peer.nonfinite, peer.nonfinite[:3]
            found = complaints(log)
    for text, count in found.most_common():
        print(f"{count} x {text}")
    print(f"{arguments.messages} damaged messages, {refused} lines of refusals, {sum(found.values())} complaints of memcheck "
          f"({begun} of them before the first message)")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
