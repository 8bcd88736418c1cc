"""Builds images, compressed ones and masks, and asks a node that observes images to solve them."""

from __future__ import annotations

import array
import base64
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sensor_msgs.msg import CompressedImage, Image

from messages import ROOT, nanos_of, time_of
from peer import ANY_TIME, Collector, NodeProcess, Peer, Status, wait_for

SIDE = 64
"""Rows and columns of the pictures that are sent, and of what gan_inversion observes."""
NAMESPACE = "/eye"
TARGET = f"{NAMESPACE}/thalweg"
PARAMETERS = {
    "task": "gan_inversion",
    "hypotheses": 2,
    "warm_start.fresh": 0,
    "budget.steps": 1,
    "budget.deadline": 10.0,
    "input.stale_timeout": 3.0,
}
DEFENCE = {**PARAMETERS, "task": "image_defence", "warm_start.enabled": False}
"""Two hypotheses and one step: it is the way in and out that is tested, not how well faces are found. An image may wait
long: a machine that stands still for a second must not make it old."""

@dataclass(frozen=True)
class Observer:
    """A task that observes images."""

    task: str
    weights: tuple[str, ...]
    side: int
    """Rows and columns of what it observes."""
    namespace: str
    name: str
    """Of its node: diagnostics of all nodes are on one topic, and tell them apart by it."""
    parameters: Mapping[str, Any]

    def missing(self) -> str:
        """Says which of its weights are not there; empty when all are."""
        absent = [name for name in self.weights if not (ROOT / "models" / name).is_file()]
        cure = "make gan fetches it" if self.task == "gan_inversion" else "thalweg train head makes it"
        return f"models/{absent[0]} is missing: {cure}" if absent else ""


OBSERVERS = {
    observer.task: observer
    for observer in (
        Observer(
            "gan_inversion",
            ("gan_inversion.safetensors", "lpips_alexnet.safetensors"),
            SIDE,
            NAMESPACE,
            "thalweg",
            PARAMETERS,
        ),
        Observer("image_defence", ("image_defence.safetensors",), 32, "/shield", "defence", DEFENCE),
    )
}
"""The tasks that the rows of images are run with."""

UPRIGHT = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5aYVpQ"
    "YEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT0//wAARCABAAEAD"
    "ASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAX/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/8QAFgEBAQEAAAAAAAAAAAAAAAAAAAYF/8QAFBEB"
    "AAAAAAAAAAAAAAAAAAAAAP/aAAwDAQACEQMRAD8AnAMxUgAAAAAAAAAAAAAJgC9RQAAAAAAAAAAAAAD/2Q=="
)
"""A JPEG of 64 x 64 pixels: red above, blue below."""

FOUR_INKS = base64.b64decode(
    "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwANCQoLCggNCwoLDg4NDxMgFRMSEhMnHB4XIC4pMTAuKS0sMzpKPjM2RjcsLUBXQUZMTlJTUjI+WmFaUGBK"
    "UVJP/8AAFAgAQABABEMRAE0RAFkRAEsRAP/EABYAAQEBAAAAAAAAAAAAAAAAAAAGB//EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAOBEMATQBZAEsA"
    "AD8ArEqiWnAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAADHRsQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAP/Z"
)
"""The same in cyan, magenta, yellow and black."""


def missing(task: str = "gan_inversion") -> str:
    """Says which weights of a task are not there; empty when all are."""
    return OBSERVERS[task].missing()


def start(task: str = "gan_inversion", **changes: Any) -> dict[str, Any]:
    """Gives the options of a node that observes images, with further parameters."""
    observer = OBSERVERS[task]
    return {"namespace": observer.namespace, "name": observer.name, "parameters": {**observer.parameters, **changes}}


def image(
    data: bytes, stamp: int, encoding: str = "rgb8", size: tuple[int, int] = (SIDE, SIDE), frame: str = "camera"
) -> Image:
    """Makes an Image of rows without padding; `size` is height, width."""
    message = Image(height=size[0], width=size[1], encoding=encoding, step=len(data) // size[0])
    message.header.stamp, message.header.frame_id = time_of(stamp), frame
    message.data = array.array("B", data)
    return message


def compressed(data: bytes, stamp: int, kind: str = "jpeg", frame: str = "camera") -> CompressedImage:
    """Makes a CompressedImage."""
    message = CompressedImage(format=kind)
    message.header.stamp, message.header.frame_id = time_of(stamp), frame
    message.data = array.array("B", data)
    return message


def portrait(samples: int = 3, side: int = SIDE) -> bytes:
    """Gives the bytes of a picture that must always work: a bright disk on a dark ground."""
    radius = side // 3

    def brightness(row: int, column: int) -> int:
        return 190 if (row - side // 2) ** 2 + (column - side // 2) ** 2 < radius**2 else 40

    return b"".join(
        bytes([brightness(row, column)] * samples) for row in range(side) for column in range(side)
    )


def halves(left: bytes, right: bytes) -> bytes:
    """Gives 64 x 64 pixels, the left half of one kind and the right half of another."""
    return (left * (SIDE // 2) + right * (SIDE // 2)) * SIDE


def png(size: tuple[int, int], rows: Iterable[bytes], colour: int = 2, depth: int = 8) -> bytes:
    """Encodes a PNG; `size` is height, width, `colour` as PNG numbers its types (0 gray, 2 RGB, 6 RGBA)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", size[1], size[0], depth, colour, 0, 0, 0)
    packer = zlib.compressobj(1)
    packed = b"".join([packer.compress(b"\x00" + row) for row in rows] + [packer.flush()])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def portrait_png(samples: int = 3) -> bytes:
    """Encodes the portrait; four samples are with alpha, which is dark where the portrait is."""
    data, step = portrait(samples), SIDE * samples
    rows = [data[row * step : (row + 1) * step] for row in range(SIDE)]
    return png((SIDE, SIDE), rows, {1: 0, 3: 2, 4: 6}[samples])


def oriented(jpeg: bytes, orientation: int) -> bytes:
    """Writes an orientation into the EXIF of a JPEG."""
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = b"Exif\x00\x00MM\x00\x2a" + struct.pack(">IH", 8, 1) + entry + b"\x00" * 4
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(tiff) + 2) + tiff + jpeg[2:]


class ImagePeer(Peer):
    """Talks to a node that observes images."""

    def __init__(self, topic: str = "", name: str = "image_peer", task: str = "gan_inversion") -> None:
        observer = OBSERVERS[task]
        super().__init__(f"{observer.namespace}/{observer.name}", f"{observer.namespace}/joint_states", name)
        self.pixels, self.namespace = observer.side**2, observer.namespace
        topic = topic or f"{observer.namespace}/image"
        self.images = self.publisher(Image, topic)
        self.compressed = self.publisher(CompressedImage, f"{topic}/compressed")
        self._masks: Any = None

    def _collect(self) -> None:
        super()._collect()
        self.pictures: Collector = self.subscribe(Image, "~/reconstruction/image")
        self.uncertainty: Collector = self.subscribe(Image, "~/uncertainty")

    @property
    def masks(self) -> Any:
        """Gives the publisher of masks; a node that has none does not wait for them."""
        if self._masks is None:
            self._masks = self.publisher(Image, f"{self.namespace}/mask", matched=1)
        return self._masks

    def answer(self, stamp: int) -> Image | None:
        """Gives the image with this stamp, if it has come."""
        found = (m for m in reversed(self.pictures.messages) if nanos_of(m.header.stamp) == stamp)
        return next(found, None)

    def solved(self, message: Image | CompressedImage, timeout: float = ANY_TIME) -> Image:
        """Publishes an image and waits for the reconstruction with its stamp."""
        raw = isinstance(message, Image)
        publisher, topic = (self.images, "image") if raw else (self.compressed, "image/compressed")
        self.wait_matched(publisher)
        stamp = nanos_of(message.header.stamp)

        def publish() -> int:
            publisher.publish(message)
            return stamp

        return self.answered(publish, self.answer, topic, timeout)

    def solve(self, _: object = None, timeout: float = ANY_TIME) -> Image:
        """Publishes one good image and waits for its reconstruction."""
        return self.solved(image(portrait(), self.now_nanos()), timeout)

    def solve_eventually(self, _: object = None, timeout: float = ANY_TIME) -> int:
        """Publishes good images until one is answered; gives how many it took."""
        return self.sent_eventually(lambda stamp: self.images.publish(image(portrait(), stamp)), timeout=timeout)

    def sent_eventually(self, *senders: Callable[[int], None], timeout: float = ANY_TIME) -> int:
        """Has all send with one stamp, an image and its mask as a rule, at 5 Hz until one is answered; gives how many it
        took.
        """

        def send() -> int:
            stamp = self.now_nanos()
            for sender in senders:
                sender(stamp)
            return stamp

        return self.answered_eventually(send, 0.2, timeout, "any image that was sent")

    def wait_observed(self, pixels: int, input_name: str = "image") -> Status:
        """Waits until diagnostics say how many pixels of the image were observed."""
        text, begin = f"{pixels} of {self.pixels}", time.time()

        def seen() -> Status | None:
            status = self.diagnostic(f"Input {input_name}", begin)
            return status if status and status.values.get("Pixels observed") == text else None

        return wait_for(
            seen, what=f"Pixels observed {text}; the last is {self.diagnostic(f'Input {input_name}')}"
        )


def shared(task: str) -> tuple[NodeProcess, ImagePeer]:
    """Starts the node that lives through the rows of images with one task, and its peer."""
    return NodeProcess(**start(task)), ImagePeer(task=task)
