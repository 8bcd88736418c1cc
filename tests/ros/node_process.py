"""Starts and stops the node's process as launch would."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from messages import ROOT

# launch's sigterm_timeout and sigkill_timeout
PATIENCE = 5.0

Value = bool | int | float | str | Sequence[float] | Sequence[int] | Sequence[str]


def binary() -> Path:
    """Finds the node under test: THALWEG_NODE, else the release build."""
    return Path(os.environ.get("THALWEG_NODE", ROOT / "target" / "release" / "thalweg_node"))


def yaml_text(value: Value) -> str:
    """Writes a parameter value as launch does on the command line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value or "''"
    if isinstance(value, (int, float)):
        return repr(value)
    return "[" + ", ".join(yaml_text(item) for item in value) + "]"


@dataclass
class Start:
    """Says how the node is started; the defaults are a plain start of body_pose."""

    name: str = "thalweg"
    namespace: str = ""
    parameters: Mapping[str, Value] = field(default_factory=dict)
    params_file: Path | None = None
    remaps: Mapping[str, str] = field(default_factory=dict)
    arguments: Sequence[str] = ()
    log_level: str = "info"
    environment: Mapping[str, str | None] = field(default_factory=dict)
    prefix: Sequence[str] = ()
    rename: bool = True
    program: Path | None = None

    def argv(self) -> list[str]:
        """Gives the command line that launch would run."""
        argv = [*self.prefix, str(self.program or binary()), *self.arguments]
        argv += ["--ros-args", "--log-level", self.log_level, "--ros-args"]
        argv += ["-r", f"__node:={self.name}"] if self.rename else []
        argv += ["-r", f"__ns:={self.namespace}"] if self.namespace else []
        for name, value in self.parameters.items():
            argv += [] if "/" in name else ["-p", f"{name}:={yaml_text(value)}"]
        files = [self.params_file, self._slashed_file()]
        argv += [word for path in files if path for word in ("--params-file", str(path))]
        for source, target in self.remaps.items():
            argv += ["-r", f"{source}:={target}"]
        return argv

    def _slashed_file(self) -> Path | None:
        """Writes parameters with a slash in their name into a file, as launch does: -p has no syntax for them."""
        slashed = {name: value for name, value in self.parameters.items() if "/" in name}
        if not slashed:
            return None
        path = Path(tempfile.mkstemp(prefix="thalweg_", suffix=".yaml")[1])
        lines = [f"    {name}: {yaml_text(value)}\n" for name, value in slashed.items()]
        path.write_text("/**:\n  ros__parameters:\n" + "".join(lines))
        return path

    def variables(self) -> dict[str, str]:
        """Gives the environment: ours with the changes; None removes a variable."""
        merged: dict[str, str | None] = {**os.environ, **self.environment}
        return {name: text for name, text in merged.items() if text is not None}


class NodeProcess:
    """Owns one process of the node; standard error is kept in a file."""

    def __init__(self, start: Start | None = None, **options: object) -> None:
        self.start = start or Start(**options)  # type: ignore[arg-type]
        self.log = Path(tempfile.mkstemp(prefix="thalweg_", suffix=".log")[1])
        self.output = Path(tempfile.mkstemp(prefix="thalweg_", suffix=".out")[1])
        with self.log.open("wb") as stderr, self.output.open("wb") as stdout:
            self.process = subprocess.Popen(
                self.start.argv(),
                cwd=ROOT,
                env=self.start.variables(),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )

    def __enter__(self) -> NodeProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # what a shell around the node left behind
        self.log.unlink(missing_ok=True)
        self.output.unlink(missing_ok=True)

    @property
    def alive(self) -> bool:
        """Tells whether the process still runs."""
        return self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the node, if it still runs."""
        if self.alive:
            self.process.send_signal(number)

    def wait(self, timeout: float) -> int | None:
        """Waits for the end; None when it has not come in time."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> int:
        """Stops the node as launch does: SIGINT, then SIGTERM, then SIGKILL; gives the exit code."""
        self.send(signal.SIGCONT)
        for number in (signal.SIGINT, signal.SIGTERM):
            self.send(number)
            code = self.wait(PATIENCE)
            if code is not None:
                return code
        self.send(signal.SIGKILL)
        return self.process.wait()

    def timed_end(self, number: signal.Signals) -> tuple[int | None, float]:
        """Sends a signal and gives exit code and seconds until the end."""
        begin = time.monotonic()
        self.send(number)
        return self.wait(20.0), time.monotonic() - begin

    def stderr(self) -> str:
        """Reads what the node has written to standard error so far."""
        return self.log.read_text(errors="replace")

    def stdout(self) -> str:
        """Reads what the node has written to standard output so far."""
        return self.output.read_text(errors="replace")

    def memory_kib(self) -> int:
        """Reads the resident memory, KiB."""
        return int(self._status("VmRSS:").split()[0])

    def threads(self) -> int:
        """Counts the threads."""
        return int(self._status("Threads:"))

    def files(self) -> int:
        """Counts the open files."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def cpu_seconds(self) -> float:
        """Reads the processor time used so far, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _status(self, key: str) -> str:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(line.removeprefix(key).strip() for line in lines if line.startswith(key))


def run_to_end(timeout: float = 20.0, **options: object) -> tuple[int | None, str, str]:
    """Runs the node until it ends by itself; gives exit code, standard output and standard error."""
    with NodeProcess(**options) as node:
        code = node.wait(timeout)
        return code, node.stdout(), node.stderr()
