"""Provocations with images: the I rows."""

from __future__ import annotations

import array
import itertools
import random
import statistics
import struct
import time

from sensor_msgs.msg import Image

from messages import NANOS, StampedBytes, cdr, nanos_of
from peer import wait_for
from pictures import (
    FOUR_INKS,
    SIDE,
    UPRIGHT,
    compressed,
    halves,
    image,
    oriented,
    png,
    portrait,
    portrait_png,
)
from rig import Rig, in_time

FRAME_4K = (2160, 3840)
FRAMES_ON_THEIR_WAY = 6.0
GROWTH = 1.10
"""Resident memory may grow by a tenth."""


def portrait_now(**changes: object) -> Image:
    """Gives the good image, stamped now, with some fields changed."""
    message = image(portrait(), time.time_ns())
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def i1_short_step(rig: Rig) -> None:
    rig.peer.images.publish(portrait_now(step=SIDE * 2))


def i2_padded_rows(rig: Rig) -> None:
    rows = portrait()
    padded = b"".join(rows[row * 192 : (row + 1) * 192] + b"\xff" * 13 for row in range(SIDE))
    rig.peer.solved(image(padded, time.time_ns()))
    # The last row needs no padding.
    message = image(padded, time.time_ns())
    message.data = message.data[:-13]
    rig.peer.solved(message)


def i3_data_of_another_length(rig: Rig) -> None:
    for length in (0, 192 * SIDE - 1, 192 * SIDE + 1):
        data = array.array("B", bytes(length))
        rig.peer.images.publish(portrait_now(data=data))
        time.sleep(0.05)


def i4_no_pixels(rig: Rig) -> None:
    rig.peer.images.publish(portrait_now(height=0, width=0, step=0, data=array.array("B")))


def i4_all_pixels_there_could_be(rig: Rig) -> None:
    memory = rig.node.memory_kib()
    most = 2**32 - 1
    for step in (0, 1, most):
        rig.peer.images.publish(portrait_now(height=most, width=most, step=step))
        time.sleep(0.05)
    assert rig.node.memory_kib() / memory < GROWTH, "memory was allocated for it"


def i5_unknown_encodings(rig: Rig) -> None:
    for encoding in ("bayer_rggb", "yuv444", "RGB8", "", "a\nb"):
        rig.peer.images.publish(portrait_now(encoding=encoding))
        time.sleep(0.05)


def i6_big_endian(rig: Rig) -> None:
    words = struct.pack(f">{SIDE * SIDE}H", *itertools.chain.from_iterable([(257 * 60, 257 * 180)] * (SIDE * 32)))
    message = image(words, time.time_ns(), "mono16")
    message.is_bigendian = 1
    rig.peer.solved(message)
    floats = struct.pack(">3f", 0.2, 0.5, 0.8) * SIDE * SIDE
    message = image(floats, time.time_ns(), "32FC3")
    message.is_bigendian = 1
    rig.peer.solved(message)


def i7_nan_and_infinity(rig: Rig) -> None:
    left, right = struct.pack("<f", 0.5), struct.pack("<f", float("nan"))
    rig.peer.solved(image(halves(left, right), time.time_ns(), "32FC1"))
    rig.peer.wait_observed(rig.peer.pixels // 2)
    right = struct.pack("<f", float("-inf"))
    rig.peer.solved(image(halves(left, right), time.time_ns(), "32FC1"))


def i7_nothing_observed(rig: Rig) -> None:
    rig.peer.images.publish(image(bytes(4 * SIDE * SIDE), time.time_ns(), "rgba8"))


def i8_constant_images(rig: Rig) -> None:
    for level in (0, 255):
        rig.peer.solved(image(bytes([level]) * 3 * SIDE * SIDE, time.time_ns()))


def i9_size_changes(rig: Rig) -> None:
    for side, samples in ((64, 3), (1, 3), (480, 3), (7, 3), (200, 3), (64, 3)):
        rig.peer.solved(image(portrait(samples, side), time.time_ns(), "rgb8", (side, side)))
    rig.peer.solved(image(bytes([90]) * 3 * 32 * 200, time.time_ns(), "bgr8", (32, 200)))


def publish_compressed(rig: Rig, data: bytes, kind: str = "jpeg") -> None:
    """Publishes content that must be refused."""
    rig.peer.wait_matched(rig.peer.compressed)
    rig.peer.compressed.publish(compressed(data, time.time_ns(), kind))


def i10_truncated(rig: Rig) -> None:
    whole = portrait_png()
    for data in (UPRIGHT[:200], UPRIGHT[:-2], whole[: len(whole) // 2], whole[:20], b"", b"\xff\xd8\xff"):
        publish_compressed(rig, data)
        time.sleep(0.05)


def i10_random_content(rig: Rig) -> None:
    source = random.Random(1)
    for whole in (UPRIGHT, portrait_png()):
        for _ in range(40):
            data = bytearray(whole)
            for _ in range(4):
                data[source.randrange(3, len(data))] = source.randrange(256)
            publish_compressed(rig, bytes(data))
            time.sleep(0.01)
    publish_compressed(rig, b"GIF89a and so on", "gif")


def i10_format_that_lies(rig: Rig) -> None:
    rig.peer.solved(compressed(portrait_png(), time.time_ns(), "jpeg"))
    rig.peer.solved(compressed(UPRIGHT, time.time_ns(), "16UC1; compressedDepth png"))


def i10_bomb(rig: Rig) -> None:
    side, memory = 30_000, rig.node.memory_kib()
    row = bytes(side // 8)
    bomb = png((side, side), itertools.repeat(row, side), 0, 1)
    rig.mark()
    publish_compressed(rig, bomb, "png")
    time.sleep(0.5)
    assert rig.node.memory_kib() / memory < GROWTH, "memory was allocated for it"


def i10_four_inks(rig: Rig) -> None:
    publish_compressed(rig, FOUR_INKS)


def i10_16_bit_and_turned(rig: Rig) -> None:
    words = [struct.pack(">192H", *[257 * (row * 3)] * 192) for row in range(SIDE)]
    rig.peer.solved(compressed(png((SIDE, SIDE), words, 2, 16), time.time_ns(), "png"))
    rig.peer.solved(compressed(portrait_png(4), time.time_ns(), "png"))
    rig.peer.solved(compressed(oriented(UPRIGHT, 6), time.time_ns()))


def i10_undecodable_bytes(rig: Rig) -> None:
    source = random.Random(2)
    good = cdr(portrait_now())
    for publisher in (rig.peer.images, rig.peer.compressed):
        rig.peer.wait_matched(publisher)
        for data in (good[:3], good[:30], good[:-100], source.randbytes(500), b"\x00\x01\x00\x00" + b"\xff" * 60):
            publisher.publish(bytes(data))
            time.sleep(0.02)


def i11_4k_stream(rig: Rig) -> None:
    """As fast as it goes from Python; how fast that was is noted."""
    height, width = FRAME_4K
    frame = StampedBytes(image(bytes([120]) * (3 * height * width), 0, "bgr8", FRAME_4K))
    rig.peer.wait_matched(rig.peer.images)

    def stream(seconds: float) -> list[int]:
        stamps, begin = [], time.monotonic()
        while time.monotonic() - begin < seconds:
            stamps.append(time.time_ns())
            rig.peer.images.publish(frame.at(stamps[-1]))
        return stamps

    stream(2.0)
    memory, since = rig.node.memory_kib(), time.time()
    sent = stream(5.0)
    rig.measure("sent_hz", len(sent) / 5.0)
    wait_for(lambda: rig.peer.answer(sent[-1]) or ages(rig, since), what="an answer to a frame of 4K")
    rig.mark()
    rig.measure("answered_hz", len(ages(rig, since)) / 5.0)
    age = rig.measure("age_median_s", statistics.median(ages(rig, since)))
    in_time(age, 1.0, "something queues: median age of the frame used")
    # Some frames are on their way at any moment, in the middleware and behind it; all that were sent would be gigabytes.
    grown = rig.measure("memory_grown_frames", (rig.node.memory_kib() - memory) * 1024 / len(frame.buffer))
    assert grown < FRAMES_ON_THEIR_WAY, f"memory grew by {grown:.1f} frames"
    status = rig.status("Input image")
    rig.measure("superseded", status.count("Superseded") if status else 0)


def ages(rig: Rig, since: float) -> list[float]:
    """Gives the age on arrival of the images that came after `since`, seconds."""
    arrivals = [(when, m) for when, m in list(rig.peer.pictures.arrivals) if when >= since]
    return [when - nanos_of(m.header.stamp) * 1e-9 for when, m in arrivals]


def i13_masks_that_never_match(rig: Rig) -> None:
    for _ in range(15):
        now = time.time_ns()
        rig.peer.masks.publish(image(bytes([255]) * SIDE * SIDE, now - 3600 * NANOS, "mono8"))
        rig.peer.images.publish(image(portrait(), now))
        time.sleep(0.1)


def i13_bad_masks(rig: Rig) -> None:
    """No image waits for a mask that cannot be used."""
    stamp = time.time_ns()
    rig.peer.masks.publish(image(portrait(), stamp, "rgb8"))
    rig.peer.solved(image(portrait(), stamp))


def i14_encodings_of_cameras(rig: Rig) -> None:
    grey = bytes([128])
    pixels = SIDE * SIDE
    for encoding, data in (
        ("yuyv", grey * (2 * pixels)),
        ("yuv422_yuy2", grey * (2 * pixels)),
        ("uyvy", grey * (2 * pixels)),
        ("bayer_rggb8", grey * pixels),
        ("bayer_gbrg8", grey * pixels),
    ):
        rig.peer.solved(image(data, time.time_ns(), encoding))
    for encoding in ("nv12", "nv21"):
        message = image(grey * (pixels * 3 // 2), time.time_ns(), encoding)
        message.height, message.step = SIDE, SIDE
        rig.peer.solved(message)
