"""A virtual screen (Xvfb), what is on it, and what a window manager does to windows."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from peer import wait_for

SIZE = (1280, 800)


class Screen:
    """Owns an Xvfb; its picture is a file that is mapped into memory."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="thalweg_screen_"))
        reading, writing = os.pipe()
        argv = ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{SIZE[0]}x{SIZE[1]}x24"]
        argv += ["-fbdir", str(self.folder), "-nolisten", "tcp"]
        # It would begin anew when its last client leaves, and refuse the next one meanwhile.
        argv += ["-noreset"]
        self.process = subprocess.Popen(argv, pass_fds=[writing], stderr=subprocess.DEVNULL)
        os.close(writing)
        with os.fdopen(reading) as number:
            self.display = f":{number.readline().strip()}"
        assert self.display != ":", "Xvfb does not start"

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(10.0)
        shutil.rmtree(self.folder, ignore_errors=True)

    def pixels(self) -> bytes:
        """Gives blue, green, red and nothing of every pixel: an XWD file behind its header and colours."""
        data = (self.folder / "Xvfb_screen0").read_bytes()
        header, colours = struct.unpack_from(">I", data, 0)[0], struct.unpack_from(">I", data, 76)[0]
        return data[header + 12 * colours :]

    def count(self, holds: object) -> int:
        """Counts pixels; `holds` gets red, green and blue. Every fourth pixel is looked at."""
        data = self.pixels()
        step = range(0, len(data) - 4, 16)
        return sum(1 for at in step if holds(data[at + 2], data[at + 1], data[at]))

    def completed(self) -> list[int]:
        """Counts pixels of bodies that are completed, in strips of 64 columns."""
        data, strips = self.pixels(), [0] * (SIZE[0] // 64)
        for at in range(0, len(data) - 4, 16):
            if data[at + 2] > data[at] + 60 and data[at + 2] > data[at + 1] + 40:
                strips[at // 4 % SIZE[0] // 64] += 1
        return strips

    def blue(self) -> int:
        """Counts pixels of an observed body."""
        return self.count(lambda red, green, blue: blue > red + 60 and blue > green + 15)


def is_there() -> bool:
    """Tells whether windows can be tested here."""
    return bool(shutil.which("Xvfb") and ctypes.util.find_library("X11"))


class ClientMessage(ctypes.Structure):
    """XClientMessageEvent."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("message_type", ctypes.c_ulong),
        ("format", ctypes.c_int),
        ("data", ctypes.c_long * 5),
        ("pad", ctypes.c_long * 24),
    ]


class Hand:
    """Does to a window what a window manager does."""

    def __init__(self, screen: Screen, title: str) -> None:
        self.x11 = ctypes.CDLL(ctypes.util.find_library("X11"))
        self.x11.XOpenDisplay.restype = ctypes.c_void_p
        self.x11.XDefaultRootWindow.restype = ctypes.c_ulong
        self.x11.XInternAtom.restype = ctypes.c_ulong
        self.display = ctypes.c_void_p(self.x11.XOpenDisplay(screen.display.encode()))
        assert self.display, f"no display {screen.display}"
        self.root = ctypes.c_ulong(self.x11.XDefaultRootWindow(self.display))
        self.window = ctypes.c_ulong(wait_for(lambda: self._find(title), what=f"a window '{title}'"))

    def __enter__(self) -> Hand:
        return self

    def __exit__(self, *_: object) -> None:
        self.x11.XCloseDisplay(self.display)

    def _children(self, window: ctypes.c_ulong) -> Iterator[ctypes.c_ulong]:
        root, parent = ctypes.c_ulong(), ctypes.c_ulong()
        children, count = ctypes.POINTER(ctypes.c_ulong)(), ctypes.c_uint()
        self.x11.XQueryTree(
            self.display, window, *(ctypes.byref(v) for v in (root, parent, children, count))
        )
        yield from (ctypes.c_ulong(children[index]) for index in range(count.value))

    def _find(self, title: str) -> int:
        for window in self._children(self.root):
            name = ctypes.c_char_p()
            self.x11.XFetchName(self.display, window, ctypes.byref(name))
            if name.value and title in name.value.decode():
                return window.value or 0
        return 0

    def resize(self, width: int, height: int) -> None:
        """Gives the window another size."""
        self.x11.XResizeWindow(self.display, self.window, width, height)
        self.x11.XFlush(self.display)

    def move(self, x: int, y: int) -> None:
        """Moves the window."""
        self.x11.XMoveWindow(self.display, self.window, x, y)
        self.x11.XFlush(self.display)

    def show(self, shown: bool) -> None:
        """Takes the window from the screen, as minimising does, or brings it back."""
        (self.x11.XMapWindow if shown else self.x11.XUnmapWindow)(self.display, self.window)
        self.x11.XFlush(self.display)

    def close(self) -> None:
        """Asks the window to close, as its button does."""
        atom = lambda name: self.x11.XInternAtom(self.display, name, 0)  # noqa: E731
        event = ClientMessage(type=33, window=self.window.value, message_type=atom(b"WM_PROTOCOLS"), format=32)
        event.data[0] = atom(b"WM_DELETE_WINDOW")
        self.x11.XSendEvent(self.display, self.window, 0, 0, ctypes.byref(event))
        self.x11.XFlush(self.display)
