"""Parameter files: held against rcl's own parser, and given to a node as launch gives them."""

from __future__ import annotations

import json
import math
import random
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any

import rcl_yaml
from node_process import NodeProcess, binary, run_to_end
from peer import Peer

FILES = 200
"""How many files are generated; always the same ones."""

NODES = ("/thalweg", "/robot1/thalweg", "/fleet/robot1/thalweg")

NAMES = (
    "/**", "thalweg", "/thalweg", "/robot1/thalweg", "robot1/thalweg", "/**/thalweg", "/*/thalweg", "/*/*/thalweg",
    "/robot1/*", "/robot1/**", "/fleet/**", "/fleet/*/thalweg", "/**/robot1/*", "/**/*", "/*", "camera", "/robot2/thalweg",
    "'**'", "'*'", "'*/thalweg'", "'**/thalweg'", '"/**"', "/fleet/**/thalweg",
)

SCALARS = (
    "1", "-7", "+5", "0x1f", "010", "08", "1.5", "1e3", "-.5", "5.", ".inf", "-.INF", ".nan", "inf", "1e400", "1_000", "true",
    "yes", "off", "N", "'1'", '"yes"', "word", "two words", "~", "null", "!!str 12", "99999999999999999999", "0x1.8p3", "''",
    "a:b", "http://x", "é", "-", "'it''s'", '"a\\tb"', "1 # comment", "|-\n{indent}12", "|\n{indent}text\n{indent}more", "0b1", "1.2.3",
)

KEYS = ("a", "b", "budget", "steps", "input.rate", "qos_overrides./joint_states", "'quoted'", "x.y")


class Generator:
    """Writes files that a user might write, and some that rcl refuses."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def scalar(self, depth: int) -> str:
        """A value, indented below its key where it is a block."""
        return self.random.choice(SCALARS).replace("{indent}", "  " * depth)

    def value(self, depth: int) -> str:
        """A scalar or a list."""
        if self.random.random() < 0.8:
            return self.scalar(depth)
        kind = self.random.choice((("1", "2", "-3"), ("1.5", "2.0"), ("true", "no"), ("a", "'b'"), ("1", "b"), ()))
        return "[" + ", ".join(self.random.choices(kind, k=self.random.randint(1, 3)) if kind else []) + "]"

    def parameters(self, depth: int) -> list[str]:
        """Lines below ros__parameters, with groups."""
        lines = []
        for key in self.random.sample(KEYS, self.random.randint(1, 3)):
            indent = "  " * depth
            if self.random.random() < 0.25 and depth < 5:
                lines += [f"{indent}{key}:", *self.parameters(depth + 1)]
            else:
                lines.append(f"{indent}{key}: {self.value(depth + 1)}")
        return lines

    def section(self, depth: int = 0) -> list[str]:
        """A node with its parameters, or a namespace with nodes."""
        indent = "  " * depth
        if depth < 2 and self.random.random() < 0.3:
            inside = [line for _ in range(self.random.randint(1, 2)) for line in self.section(depth + 1)]
            return [indent + self.random.choice(("robot1", "/robot1", "/**", "/fleet", "fleet/robot1", "/*")) + ":", *inside]
        name = self.random.choice(NAMES if depth == 0 else ("thalweg", "camera", "robot1/thalweg", "'*'", "'**'"))
        return [f"{indent}{name}:", f"{indent}  ros__parameters:", *self.parameters(depth + 2)]

    def file(self) -> bytes:
        """A whole file."""
        lines = [line for _ in range(self.random.randint(1, 4)) for line in self.section()]
        text = "\n".join(lines) + "\n"
        if self.random.random() < 0.1:
            text = text.replace("\n", "\r\n")
        if self.random.random() < 0.1:
            text = "---\n" + text
        if self.random.random() < 0.1:
            place = self.random.randrange(len(text))
            text = text[:place] + self.random.choice(("", ":", "*x", "[", "  ", "{}", "\n")) + text[place + 1 :]
        encoding = "utf-8-sig" if self.random.random() < 0.1 else "utf-8"
        return text.encode(encoding)


def comparable(values: dict[str, Any] | None) -> dict[str, Any] | None:
    """Numbers that JSON does not have, as ours writes them."""
    if values is None:
        return None

    def told(value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            return ".nan" if math.isnan(value) else (".inf" if value > 0 else "-.inf")
        return value

    return {name: [kind, told(value)] for name, (kind, value) in values.items()}


def words(files: list[Path], node: str) -> list[str]:
    """The arguments of a node that is given files."""
    namespace = node.rsplit("/", 1)[0] or "/"
    return ["--ros-args", "-r", f"__ns:={namespace}", *(word for file in files for word in ("--params-file", str(file)))]


def ours(files: list[Path], node: str) -> tuple[dict[str, Any] | None, str]:
    """What `thalweg params --given` tells, and what it says."""
    command = [str(binary().with_name("thalweg")), "params", "--given", *words(files, node)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    if done.returncode:
        return None, done.stderr
    return json.loads(done.stdout)["values"], done.stderr


def all_of_ours(cases: list[tuple[list[Path], str]]) -> list[tuple[dict[str, Any] | None, str]]:
    """The same of many cases by one process: most of each start is loading libtorch."""
    program = binary().with_name("examples") / "given_parameters"
    assert program.is_file(), f"no {program} was built: make hostile-node"
    asked = "".join(json.dumps(words(*case)) + "\n" for case in cases)
    done = subprocess.run([str(program)], input=asked, capture_output=True, text=True, timeout=120, check=True)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return [(answer.get("values"), answer.get("error", "")) for answer in told]


class AgainstRcl(unittest.TestCase):
    """One or two generated files at a time, for nodes in several namespaces."""

    def test_generated_files(self) -> None:
        taken = 0
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for seed in range(FILES):
                files.append(Path(folder) / f"{seed}.yaml")
                files[-1].write_bytes(Generator(seed).file())
            cases = [
                ([file] if seed % 4 else [file, files[seed - 1]], NODES[seed % len(NODES)])
                for seed, file in enumerate(files)
            ]
            answers = all_of_ours(cases)
            self.assertEqual(len(answers), len(cases))
            # One that is taken and one that is refused, by the program that users have.
            for outcome in (True, False):
                place = next(place for place, (got, _) in enumerate(answers) if bool(got) == outcome)
                self.assertEqual(ours(*cases[place])[0], answers[place][0])
            for seed, ((some, node), (got, said)) in enumerate(zip(cases, answers)):
                expected = comparable(rcl_yaml.given(some, node))
                shown = "\n---\n".join(path.read_text("utf-8") for path in some)
                self.assertEqual(got, expected, f"{node}, file {seed}:\n{shown}\n{said}")
                taken += bool(expected)
        # Neither all refused nor all for others: the comparison compares something.
        self.assertGreater(taken, FILES // 4)


class GivenToANode(unittest.TestCase):
    """What reaches a node that runs in a namespace."""

    def hypotheses(self, text: str, **start: object) -> tuple[int, str]:
        """Starts a node in /robot1 with a file, and asks for a parameter; gives what it logged, too."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "params.yaml"
            path.write_text(text)
            options = {"namespace": "/robot1", "params_file": path, "parameters": {"autostart": False}, "rename": False}
            with NodeProcess(**{**options, **start}) as node, Peer("/robot1/thalweg", "/robot1/joint_states") as peer:
                peer.wait_state("unconfigured")
                return peer.get_parameters("hypotheses")[0], node.stderr()

    def test_every_form_of_a_name(self) -> None:
        forms = ["/**", "/**/thalweg", "/*/thalweg", "/robot1/*", "robot1:\n  thalweg", "\ufeff/**"]
        for form in forms:
            head, _, last = form.rpartition("\n  ")
            indent = "    " if head else "  "
            name = f"{head}\n  {last}" if head else last
            with self.subTest(form):
                text = f"{name}:\n{indent}ros__parameters:\n{indent}  hypotheses: 4\n"
                self.assertEqual(self.hypotheses(text)[0], 4)

    def test_what_is_for_others_is_told_and_passed_over(self) -> None:
        text = "/robot2/thalweg:\n  ros__parameters: {hypotheses: 5}\n/robot1/thalweg:\n  ros__parameters: {hypotheses: 4}\n"
        value, said = self.hypotheses(text)
        self.assertEqual(value, 4)
        self.assertIn("has parameters also for /robot2/thalweg; this node is /robot1/thalweg", said)
        value, said = self.hypotheses("thalweg:\n  ros__parameters: {hypotheses: 4}\n")
        self.assertNotEqual(value, 4)
        self.assertIn("'/thalweg' is another, write '/robot1/thalweg' or '/**/thalweg'", said)

    def test_strict_under_its_own_name_only(self) -> None:
        foreign = "ros__parameters: {robot_description: <robot/>, publish_frequency: 30.0, hypotheses: 4}\n"
        value, said = self.hypotheses(f"/**:\n  {foreign}")
        self.assertEqual(value, 4)
        self.assertIn("unknown parameter 'robot_description'", said)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "params.yaml"
            path.write_text(f"/thalweg:\n  {foreign}")
            code, _, errors = run_to_end(params_file=path, rename=False)
        self.assertEqual(code, 2, errors)
        self.assertIn("unknown parameter 'robot_description'", errors)

    def test_another_name_by_remapping(self) -> None:
        text = "/robot1/left:\n  ros__parameters: {hypotheses: 4}\n"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "params.yaml"
            path.write_text(text)
            options = {"namespace": "/robot1", "name": "left", "params_file": path, "parameters": {"autostart": False}}
            with NodeProcess(**options), Peer("/robot1/left", "/robot1/joint_states") as peer:
                peer.wait_state("unconfigured")
                self.assertEqual(peer.get_parameters("hypotheses")[0], 4)


if __name__ == "__main__":
    unittest.main()
