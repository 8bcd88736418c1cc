"""Frames form one tree, and what RViz and Foxglove show are topics and frames that there are."""

import json
import re
import unittest
import xml.etree.ElementTree as ElementTree

import yaml
from installed import ROOT, Installation


def tree(started):
    """Gives the parent of each frame that the nodes publish: static transforms and the links of URDFs."""
    edges = []
    for node in started.nodes.values():
        if node.program == 'static_transform_publisher':
            options = dict(zip(node.own[::2], node.own[1::2]))
            edges.append((options['--child-frame-id'], options['--frame-id']))
        elif node.program == 'robot_state_publisher':
            prefix = node.parameters['frame_prefix']
            for joint in ElementTree.fromstring(node.parameters['robot_description']).findall('joint'):
                edges.append((prefix + joint.find('child').get('link'), prefix + joint.find('parent').get('link')))
    parents = dict(edges)
    assert len(parents) == len(edges), 'a frame has two parents'
    return parents


def root(parents, frame):
    """Walks up to the root of a frame."""
    seen = [frame]
    while frame in parents:
        frame = parents[frame]
        assert frame not in seen, f'a circle: {seen}'
        seen.append(frame)
    return frame


def topics(content):
    """Finds the topics in the configuration of RViz."""
    if isinstance(content, dict):
        if 'Reliability Policy' in content:
            yield content['Value']
        content = list(content.values())
    for value in content if isinstance(content, list) else []:
        yield from topics(value)


def documented(topic):
    """Gives the row of the table in docs/node.md for a topic under the name that it has by default, or None."""
    name = re.sub(r'\bh\d\b', 'hN', re.sub(r'^/?thalweg/', '~/', topic))
    table = (ROOT / 'docs/node.md').read_text().partition('## Topics')[2]
    rows = [line for line in table.splitlines() if line.startswith('| `')]
    names = {name.strip('/'): line for line in rows for name in re.findall(r'`([^`]+)`', line.split('|')[1])}
    return names.get(name.strip('/'))


class Tree(unittest.TestCase):
    """TF as it comes of the launch files."""

    def setUp(self):
        self.installation = Installation(self)

    def launch(self, **arguments):
        return self.installation.launch('thalweg.launch.py', **arguments)

    def test_a_hypothesis_keeps_its_frame(self):
        for arguments, order in (
                ({'hypotheses_tf': '2'}, 'identity'), ({'hypotheses_tf': '1'}, 'rank'), ({'rviz': 'true'}, 'rank'),
                ({'hypotheses_tf': '2', 'view': 'true'}, 'rank')):
            with self.subTest(arguments):
                node = self.launch(**arguments).nodes['/thalweg']
                self.assertEqual(node.parameters.get('output.order'), order)

    def test_all_frames_have_one_root_and_it_is_the_frame_that_was_named(self):
        cases = ({}, {'frame': 'torso'}, {'name': 'left'}, {'task': 'planar_arm'})
        for arguments in cases:
            with self.subTest(arguments):
                parents = tree(self.launch(hypotheses_tf='4', **arguments))
                self.assertEqual({root(parents, frame) for frame in parents}, {arguments.get('frame', 'map')})
                prefix = 'left/' if 'name' in arguments else ''
                for index in range(4):
                    self.assertIn(f'{prefix}h{index}/base_link', parents)

    def test_the_root_of_another_urdf_is_found(self):
        urdf = self.installation.write('my.urdf', (
            '<robot name="r"><link name="tip"/><link name="foot"/>'
            '<joint name="j" type="revolute"><parent link="foot"/><child link="tip"/></joint></robot>'))
        parents = tree(self.launch(hypotheses_tf='1', urdf=urdf))
        self.assertEqual(parents, {'h0/foot': 'map', 'h0/tip': 'h0/foot'})

    def test_markers_are_in_a_frame_that_is_published(self):
        # The task's frame, as its plugin has it: the points of body_pose lie in the pelvis.
        for task, drawn in (('body_pose', 'pelvis'), ('planar_arm', 'base_link')):
            source = (ROOT / f'plugins/{task}/src/task.rs').read_text()
            self.assertIn(f'const FRAME: &str = "{drawn}";', source)
            for arguments in ({'hypotheses_tf': '2'}, {'rviz': 'true'}, {'rviz': 'true', 'name': 'left'}):
                with self.subTest(arguments, task=task):
                    started = self.launch(task=task, **arguments)
                    node = started.nodes['/' + arguments.get('name', 'thalweg')]
                    prefix = 'left/' if 'name' in arguments else ''
                    self.assertEqual(node.parameters['output.frame_id'], f'{prefix}h0/{drawn}')
                    self.assertEqual(root(tree(started), node.parameters['output.frame_id']), 'map')

    def test_frames_of_the_observation_are_left_alone_otherwise(self):
        self.assertEqual(self.launch(view='true').nodes['/thalweg'].parameters['output.frame_id'], '')

    def test_each_publisher_hears_its_hypothesis_as_often_as_it_comes(self):
        for arguments in ({}, {'name': 'left', 'namespace': 'robot'}):
            started = self.launch(hypotheses_tf='4', **arguments)
            node = next(node for node in started.nodes.values() if node.program == 'thalweg_node')
            publishers = [node for node in started.nodes.values() if node.program == 'robot_state_publisher']
            for index, publisher in enumerate(publishers):
                self.assertEqual(
                    publisher.resolve('joint_states'), node.expand(f'~/hypotheses/h{index}/joint_states'))
                self.assertEqual(publisher.parameters['publish_frequency'], 1000.0)
            self.assertEqual(len(publishers), 4)


class Rviz(unittest.TestCase):
    """rviz/thalweg.rviz, and how it is started."""

    def setUp(self):
        self.installation = Installation(self)

    def started(self, **arguments):
        """Launches RViz; gives what was started, its command line and its configuration."""
        started = self.installation.launch('thalweg.launch.py', rviz='true', **arguments)
        rviz = next(node for node in started.nodes.values() if node.program == 'rviz2')
        options = dict(zip(rviz.own[::2], rviz.own[1::2]))
        with open(options['-d'], encoding='utf-8') as file:
            return started, rviz, options, yaml.safe_load(file)

    def test_its_topics_are_in_the_readme_and_relative(self):
        content = yaml.safe_load((ROOT / 'rviz/thalweg.rviz').read_text())
        found = list(topics(content))
        self.assertIn('thalweg/ghosts', found)
        for topic in found:
            self.assertFalse(topic.startswith('/'), topic)
            if not topic.endswith('/robot_description'):
                self.assertIsNotNone(documented(topic), topic)

    def test_its_topics_are_those_of_our_nodes(self):
        for arguments in ({}, {'namespace': 'robot'}, {'name': 'left'}, {'points': '/cloud', 'image': 'camera'}):
            with self.subTest(arguments):
                started, rviz, _, content = self.started(hypotheses_tf='4', **arguments)
                node = next(node for node in started.nodes.values() if node.program == 'thalweg_node')
                heard = {rviz.resolve(topic) for topic in topics(content)}
                spoken = {
                    *(node.expand(f'~/{name}') for name in ('ghosts', 'reconstruction/image', 'uncertainty')),
                    *(node.resolve(name) for name in ('points', 'image')),
                    *(other.resolve('robot_description') for other in started.nodes.values()
                      if other.program == 'robot_state_publisher'),
                }
                self.assertEqual(heard, spoken)

    def test_its_bodies_have_the_frames_that_are_published(self):
        for arguments in ({}, {'name': 'left'}):
            started, _, _, content = self.started(hypotheses_tf='4', **arguments)
            displays = content['Visualization Manager']['Displays']
            prefixes = {display['TF Prefix'] + '/' for display in displays if 'TF Prefix' in display}
            published = {node.parameters['frame_prefix'] for node in started.nodes.values()
                         if node.program == 'robot_state_publisher'}
            self.assertEqual(prefixes, published)

    def test_the_fixed_frame_is_the_frame_that_was_named(self):
        _, _, options, content = self.started()
        self.assertEqual(options['-f'], content['Visualization Manager']['Global Options']['Fixed Frame'])
        self.assertEqual(self.started(frame='torso')[2]['-f'], 'torso')

    def test_there_is_one_body_at_least_where_the_task_has_one(self):
        self.assertIn('/robot_state_publisher_h0', self.started()[0].names)
        self.assertEqual(self.started(task='gan_inversion')[0].names, ['/rviz2', '/thalweg'])


class Foxglove(unittest.TestCase):
    """rviz/thalweg.foxglove.json."""

    def test_its_topics_and_frames_are_those_of_the_launch_files(self):
        text = (ROOT / 'rviz/thalweg.foxglove.json').read_text()
        started = Installation(self).launch('thalweg.launch.py', hypotheses_tf='4')
        parents = tree(started)
        published = {node.resolve('robot_description') for node in started.nodes.values()
                     if node.program == 'robot_state_publisher'}
        panel = json.loads(text)['configById']['3D!thalweg']
        self.assertEqual(root(parents, 'h0/base_link'), panel['followTf'])
        bodies = [layer for layer in panel['layers'].values() if layer['layerId'] == 'foxglove.Urdf']
        self.assertEqual({layer['topic'] for layer in bodies}, published)
        for layer in bodies:
            self.assertIn(f"{layer['framePrefix']}base_link", parents)
        for topic in re.findall(r'"(/[^".\[]+)', text):
            if topic not in published:
                self.assertIsNotNone(documented(topic), topic)

    def test_every_panel_is_shown(self):
        layout = json.loads((ROOT / 'rviz/thalweg.foxglove.json').read_text())
        shown = re.findall(r'"(?:first|second)": "([^"]+)"', json.dumps(layout['layout']))
        self.assertEqual(sorted(shown), sorted(layout['configById']))


if __name__ == '__main__':
    unittest.main()
