"""Several people at once: told apart, followed, forgotten; where each stands on /tf."""

from __future__ import annotations

import csv
import json
import math
import shutil
import tempfile
import time
import unittest
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from case import NodeCase
from geometry_msgs.msg import Point as PointMsg
from geometry_msgs.msg import PoseStamped
from hri_msgs.msg import IdsList
from messages import body_joints, nanos_of, time_of
from peer import Collector, qos, run_to_end, wait_for
from recordings import describe, replayed, stopped, thalweg, trigger, wait_written
from sensor_msgs.msg import JointState, PointCloud2, PointField
from std_msgs.msg import String
from test_body_places import Point, places
from test_trackers import XYZ, cloud, table
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import Marker, MarkerArray

FRAME = "camera_optical"
BODIES = "/humans/bodies"
# Seconds after which somebody is forgotten.
SILENCE = 1.0


def body(turned: Mapping[str, float], place: Point) -> dict[str, Point]:
    """The places of the joints of somebody before a camera whose y points down; all other angles are zero."""
    angles = {**dict.fromkeys(body_joints(), 0.0), **turned}
    names = ["pelvis", *(name.removesuffix("_x") for name in body_joints() if name.endswith("_x"))]
    found = dict(zip(names, places(angles), strict=True))
    return {name: (x + place[0], -y + place[1], -z + place[2]) for name, (x, y, z) in found.items()}


# Arms that hang, with the left elbow of the first one bent.
HANGING = {"left_shoulder_z": -1.3, "right_shoulder_z": 1.3}
FIRST = ({**HANGING, "left_elbow_y": -1.2}, (-0.6, 0.1, 2.5))
SECOND = (HANGING, (0.9, -0.1, 3.0))


class Followed(NodeCase):
    """A node that follows people by Azure Kinect's markers."""

    parameters: dict[str, Any] = {
        "body_pose.keypoints": "azure_kinect_32",
        "body_pose.names": "rep155",
        "input.points_type": "markers",
        "input.people": 2,
        "input.person_timeout": SILENCE,
        "output.root_frame": "body",
        "budget.deadline": 0.05,
    }
    start = {"parameters": parameters}

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.points = cls.peer.publisher(MarkerArray, "/points", matched=1)
        cls.keypoints = [(number, joint) for number, _, joint in table("azure_kinect_32") if joint]

    def markers(self, *people: tuple[int, dict[str, Point]]) -> MarkerArray:
        """A message of some people, by their numbers."""
        message = MarkerArray()
        stamp = self.peer.now_nanos()
        for person, joints in people:
            for number, joint in self.keypoints:
                marker = Marker(type=Marker.SPHERE, id=100 * person + number)
                marker.header.stamp, marker.header.frame_id = time_of(stamp), FRAME
                x, y, z = joints[joint]
                marker.pose.position = PointMsg(x=x, y=y, z=z)
                marker.pose.orientation.w = 1.0
                message.markers.append(marker)
        return message

    def send(self, *people: tuple[int, dict[str, Point]]) -> None:
        """Publishes one message, as at 30 Hz."""
        self.points.publish(self.markers(*people))
        time.sleep(0.033)

    def watch(self, kind: type, topic: str) -> Collector:
        """Collects a topic until the end of the test."""
        collector = self.peer.subscribe(kind, topic)
        self.addCleanup(self.peer.unsubscribe, collector)
        return collector

    def published(self) -> list[str]:
        """The topics of the node."""
        return [topic for topic, _ in self.peer.node.get_publisher_names_and_types_by_node("thalweg", "/")]

    def identities(self) -> list[str]:
        """Who has topics of their own."""
        return sorted({topic.split("/")[3] for topic in self.published() if topic.startswith(f"{BODIES}/b")})

    def forget_all(self) -> None:
        """Waits until nobody is there any more."""
        wait_for(lambda: not self.identities(), what="nobody")


class People(Followed):
    """Two people and their topics."""

    def test_each_has_an_answer_of_their_own(self) -> None:
        one, two = (7, body(*FIRST)), (9, body(*SECOND))
        poses = {number: self.watch(PoseStamped, f"{BODIES}/b{number}/thalweg/pose") for number in (7, 9)}
        joints = {number: self.watch(JointState, f"{BODIES}/b{number}/joint_states") for number in (7, 9)}
        frames, own = self.watch(TFMessage, "/tf"), self.watch(PoseStamped, "~/pose")

        def near() -> bool:
            self.send(one, two)
            return all(
                poses[number].messages
                and joints[number].messages
                and math.dist(position(poses[number].messages[-1]), where) < 0.1
                for number, where in ((7, FIRST[1]), (9, SECOND[1]))
            )

        wait_for(near, what="both where they stand")
        elbows = {number: angle(joints[number].messages[-1], f"l_elbow_b{number}") for number in (7, 9)}
        self.assertGreater(elbows[7], elbows[9] + 0.5, "the elbow of the first is bent")
        self.assertTrue(all(name.endswith("_b7") for name in joints[7].messages[-1].name), joints[7].messages[-1].name)
        # The node's own topics speak of who came first.
        self.assertLess(math.dist(position(own.messages[-1]), FIRST[1]), 0.1)
        found = {t.child_frame_id: t for message in frames.messages for t in message.transforms}
        self.assertEqual(sorted(found), ["body_b7", "body_b9"])
        there = found["body_b9"]
        self.assertEqual(there.header.frame_id, FRAME)
        moved = there.transform.translation
        self.assertLess(math.dist((moved.x, moved.y, moved.z), SECOND[1]), 0.1)
        stamps = [nanos_of(t.header.stamp) for m in frames.messages for t in m.transforms if t.child_frame_id == "body_b7"]
        self.assertEqual(stamps, sorted(set(stamps)), "tf2 complains of what comes twice")
        self.forget_all()

    def test_one_topic_tells_of_everybody(self) -> None:
        bodies = self.watch(String, "~/bodies")
        one, two = (7, body(*FIRST)), (9, body(*SECOND))

        def newest() -> dict[str, Any]:
            found = [json.loads(message.data) for message in bodies.messages]
            return {body["id"]: body for body in found}

        def near() -> bool:
            self.send(one, two)
            told = newest()
            return all(
                f"b{number}" in told and math.dist(told[f"b{number}"]["root"][:3], where) < 0.1
                for number, where in ((7, FIRST[1]), (9, SECOND[1]))
            )

        wait_for(near, what="both where they stand")
        told = newest()["b7"]
        self.assertEqual((sorted(told["names"]), len(told["positions"])), (sorted(body_joints()), len(body_joints())))
        self.forget_all()

    def test_a_third_one_is_counted_and_gets_the_place_of_who_goes(self) -> None:
        lists = self.peer.subscribe(String, "~/people", qos(1, latched=True))
        tracked = self.peer.subscribe(IdsList, f"{BODIES}/tracked", qos(1, latched=True))
        self.addCleanup(self.peer.unsubscribe, lists)
        self.addCleanup(self.peer.unsubscribe, tracked)
        one, two, three = ((number, body(HANGING, (number - 2.0, 0.0, 3.0))) for number in (1, 2, 3))

        def told(ids: list[str], others: int) -> bool:
            return bool(lists.messages) and json.loads(lists.messages[-1].data) == {"ids": ids, "others": others}

        def all_three() -> bool:
            self.send(one, two, three)
            return told(["b1", "b2"], 1)

        wait_for(all_three, what="two followed, one counted")
        wait_for(lambda: tracked.messages and list(tracked.messages[-1].ids) == ["b1", "b2"], what="a list of ros4hri")

        def is_warned() -> bool:
            self.send(one, two, three)
            status = self.peer.diagnostic("People")
            return bool(status) and status.level == "WARN" and status.values["Identities"] == "b1, b2"

        wait_for(is_warned, what="a word about the third")
        status = self.peer.diagnostic("Input points")
        self.assertGreater(status.count("refused too_many_people"), 0, status)

        def first_went() -> bool:
            self.send(two, three)
            return told(["b2", "b3"], 0)

        wait_for(first_went, what="the third in the place of the first")
        wait_for(lambda: self.identities() == ["b2", "b3"], what="topics of the two")
        self.forget_all()

    def test_who_comes_back_after_a_silence_starts_anew(self) -> None:
        statistics = self.watch_steps(5)
        behind = (5, body(HANGING, (0.0, 0.0, 3.0)))
        for _ in range(30):
            self.send(behind)
        wait_for(statistics, what="answers")
        self.forget_all()
        # Elsewhere, and turned about: nothing of before may hold the root.
        turned = {name: (-x, y, 6.0 - z) for name, (x, y, z) in body(HANGING, (1.0, 0.0, 3.0)).items()}
        poses = self.watch(PoseStamped, f"{BODIES}/b5/thalweg/pose")
        begin = self.peer.now_nanos()

        def is_near() -> bool:
            self.send((5, turned))
            found = [m for m in poses.messages if nanos_of(m.header.stamp) >= begin]
            return bool(found) and math.dist(position(found[-1]), (-1.0, 0.0, 3.0)) < 0.1

        wait_for(is_near, what="the new place")
        self.forget_all()

    def watch_steps(self, number: int) -> Any:
        """Whether answers of a person have come."""
        poses = self.watch(PoseStamped, f"{BODIES}/b{number}/thalweg/pose")
        return lambda: len(poses.messages) > 3

    def test_people_who_come_and_go_leave_nothing_behind(self) -> None:
        joints = body(HANGING, (0.0, 0.0, 3.0))
        begin = self.published()

        def wave(first: int) -> None:
            """Two people at once, for as long as it takes to see the topics of both."""
            people = [(number, joints) for number in (first, first + 1)]
            wanted = sorted(f"b{number}" for number, _ in people)

            def is_there() -> bool:
                self.send(*people)
                return self.identities() == wanted

            wait_for(is_there, what=f"topics of {wanted}")

        self.peer.set_parameters(input__person_timeout=0.1)
        self.addCleanup(lambda: self.peer.set_parameters(input__person_timeout=SILENCE))
        for first in range(10, 50, 2):
            wave(first)
        self.forget_all()
        memory, files = self.node.memory_kib(), self.node.files()
        for first in range(50, 250, 2):
            wave(first)
        self.forget_all()
        self.assertEqual(self.published(), begin, "topics as before")
        self.assertLess(self.node.memory_kib() - memory, 8 << 10, "200 people leave less than 40 KiB each")
        self.assertLessEqual(self.node.files(), files + 4)
        wait_for(
            lambda: (status := self.peer.diagnostic("People")) and status.values["In memory"] == "0", what="no memory left"
        )


class Recorded(Followed):
    """A recording of two people, one of whom goes and comes back."""

    folder = Path(tempfile.mkdtemp(prefix="thalweg_people_"))
    start = {"parameters": {**Followed.parameters, "record.folder": str(folder)}}

    @classmethod
    def setUpClass(cls) -> None:
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        super().setUpClass()

    def test_everybody_is_in_it_and_comes_out_bit_for_bit(self) -> None:
        one, two = (7, body(*FIRST)), (9, body(*SECOND))
        wait_for(lambda: self.sent_until(["b7", "b9"], one, two), what="both")
        reply = trigger(self.peer, "~/start_recording")
        self.assertTrue(reply.success, reply.message)
        for _ in range(15):
            self.send(one, two)
        wait_for(lambda: self.sent_until(["b9"], two), what="the second one alone")
        for _ in range(10):
            self.send(one, two)
        wait_written(self.peer, 40)
        file = stopped(self.peer, self.folder)
        found = describe(file)
        self.assertEqual(sorted(found["people"]), ["b7", "b9"])
        self.assertEqual(sum(found["people"].values()), found["solves"])
        self.assertEqual(found["damage"], 0)
        for number in (7, 9):
            for topic in ("observation/points", "solve", "reconstruction"):
                name = f"/thalweg/people/b{number}/{topic}"
                self.assertEqual(found["topics"][name], found["people"][f"b{number}"], name)
        said = replayed(file)
        self.assertIn(f"{found['solves']} solves, {found['solves']} reproduced bit for bit", said)
        self.exported(file, found)
        self.forget_all()

    def sent_until(self, ids: list[str], *people: tuple[int, dict[str, Point]]) -> bool:
        """Sends one message; whether these are followed then, and nobody else."""
        self.send(*people)
        return self.identities() == ids

    def exported(self, file: Path, found: dict[str, Any]) -> None:
        """Checks that the table of a recording says whose each line is."""
        path = self.folder / "solves.csv"
        result = thalweg("export", file, "--format", "csv", "--output", path)
        self.assertEqual(result.returncode, 0, result.stderr)
        with path.open(newline="") as table:
            rows = list(csv.DictReader(table))
        counts = {who: sum(row["person"] == who for row in rows) for who in ("b7", "b9")}
        self.assertEqual(counts, found["people"])
        arrivals = {who: {row["arrival"] for row in rows if row["person"] == who} for who in ("b7", "b9")}
        self.assertEqual((len(arrivals["b7"]), len(arrivals["b9"])), (2, 1), "the first one came twice")
        self.assertEqual(arrivals["b7"] & arrivals["b9"], set())


class Clouds(NodeCase):
    """People in one cloud, by a field; and joints by names with identities."""

    start = {
        "parameters": {
            "body_pose.keypoints": "coco_17",
            "body_pose.names": "rep155",
            "input.people": 3,
            "input.person_timeout": SILENCE,
            "budget.deadline": 0.05,
        }
    }

    def test_a_field_tells_people_apart(self) -> None:
        points = self.peer.publisher(PointCloud2, "/points", matched=1)
        fields = [("id", PointField.UINT8, "B"), *XYZ, ("person_id", PointField.INT32, "i")]
        poses = {number: self.peer.subscribe(PoseStamped, f"{BODIES}/b{number}/thalweg/pose") for number in (20, 31)}
        people = {20: body(*FIRST), 31: body(*SECOND)}
        rows = [
            (number, *joints[joint], person)
            for person, joints in people.items()
            for number, _, joint in table("coco_17")
            if joint
        ]

        def near() -> bool:
            points.publish(cloud(rows, self.peer.now_nanos(), fields))
            time.sleep(0.03)
            return all(
                poses[number].messages and math.dist(position(poses[number].messages[-1]), where) < 0.15
                for number, where in ((20, FIRST[1]), (31, SECOND[1]))
            )

        wait_for(near, what="both where they stand")
        # Of nobody in particular.
        nameless = [row[:4] for row in rows if row[4] == 20]
        for _ in range(5):
            points.publish(cloud(nameless, self.peer.now_nanos(), fields[:4]))
            time.sleep(0.03)
        status = wait_for(lambda: self.counted("Input points", "no_person"), what="a refusal")
        self.assertIn("nobody in particular", str(status))

    def test_names_tell_people_apart(self) -> None:
        told = {name: self.peer.subscribe(JointState, f"{BODIES}/{name}/joint_states") for name in ("ab12", "cd34")}
        message = JointState(
            name=["l_elbow_ab12", "l_elbow_cd34", "r_elbow_ab12", "r_elbow_cd34"], position=[1.2, 0.2, 0.5, 0.5]
        )

        def answered() -> bool:
            message.header.stamp = time_of(self.peer.now_nanos())
            self.peer.joints.publish(message)
            time.sleep(0.03)
            return all(collector.messages for collector in told.values())

        wait_for(answered, what="joints of both")
        found = {name: angle(collector.messages[-1], f"l_elbow_{name}") for name, collector in told.items()}
        self.assertAlmostEqual(found["ab12"], 1.2, delta=0.3)
        self.assertAlmostEqual(found["cd34"], 0.2, delta=0.3)
        self.peer.publish_joints({"left_elbow_y": -0.5})
        wait_for(lambda: self.counted("Input joint_states", "no_person"), what="joints of nobody are refused")

    def counted(self, status: str, cause: str) -> Any:
        found = self.peer.diagnostic(status)
        return found if found and found.count(f"refused {cause}") > 0 else None


class Lifecycle(Followed):
    """A node that is stopped while people are there."""

    def test_topics_of_people_go_with_activity_and_come_again(self) -> None:
        someone = (3, body(HANGING, (0.0, 0.0, 3.0)))

        def is_there() -> bool:
            self.send(someone)
            return self.identities() == ["b3"]

        for label in ("deactivate", "cleanup"):
            wait_for(is_there, what="topics of somebody")
            self.assertTrue(self.peer.change_state(label="deactivate"))
            self.forget_all()
            self.send(someone)
            if label == "cleanup":
                self.assertTrue(self.peer.change_state(label="cleanup"))
                self.assertNotIn("/thalweg/people", self.published())
                self.assertNotIn("/tf", self.published())
                self.assertTrue(self.peer.change_state(label="configure"))
            self.assertEqual(self.identities(), [], "nobody is followed in state inactive")
            self.assertTrue(self.peer.change_state(label="activate"))
            self.peer.wait_matched(self.points)
        wait_for(is_there, what="topics of somebody")
        self.forget_all()


class Unfit(unittest.TestCase):
    """Nodes that could not tell people apart, or would hear themselves, are refused at the start in one sentence."""

    def assert_refused(self, sentence: str, **options: Any) -> None:
        code, _, errors = run_to_end(**options)
        self.assertEqual(code, 3, errors[-2000:])
        self.assertIn(sentence, errors)

    def test_nothing_says_who_it_is(self) -> None:
        self.assert_refused(
            "input.people is 2, and nothing that task body_pose reads says of whom it is", parameters={"input.people": 2}
        )

    def test_one_of_several_has_a_name(self) -> None:
        parameters = {"input.people": 2, "body_pose.names": "rep155", "body_pose.person": "anna"}
        self.assert_refused("body_pose.person names one of them, 'anna'; leave it empty", parameters=parameters)

    def test_answers_would_come_back_as_joints(self) -> None:
        self.assert_refused(
            "the node would hear itself",
            parameters={"input.people": 2, "body_pose.names": "rep155"},
            remaps={"joint_states": f"{BODIES}/a1/joint_states"},
        )


def position(pose: PoseStamped) -> Point:
    """Metres."""
    return (pose.pose.position.x, pose.pose.position.y, pose.pose.position.z)


def angle(message: JointState, name: str) -> float:
    """Radians."""
    return dict(zip(message.name, message.position, strict=True))[name]
