"""A /clock that can be stopped, slowed and made to jump."""

from __future__ import annotations

import threading
import time

from messages import NANOS, time_of
from peer import Peer, qos
from rosgraph_msgs.msg import Clock

RATE = 50.0


class ClockSource:
    """Publishes /clock; the peer's stamps follow it."""

    def __init__(self, peer: Peer, start: int = 1_000 * NANOS) -> None:
        self.peer = peer
        self.nanos = start
        self.speed = 1.0
        self.publisher = peer.publisher(Clock, "/clock", qos(1, reliable=False))
        self.lock = threading.Lock()
        self.ended = threading.Event()
        peer.now_nanos = lambda: self.nanos
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        before = time.monotonic()
        while not self.ended.wait(1.0 / RATE):
            now = time.monotonic()
            with self.lock:
                self.nanos += int((now - before) * self.speed * NANOS)
            before = now
            if self.speed:
                self.publisher.publish(Clock(clock=time_of(self.nanos)))

    def jump(self, seconds: float) -> None:
        """Moves the clock at once."""
        with self.lock:
            self.nanos += int(seconds * NANOS)

    def __enter__(self) -> ClockSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join(2.0)
        self.peer.node.destroy_publisher(self.publisher)
        self.peer.now_nanos = time.time_ns
