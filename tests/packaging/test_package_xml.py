"""package.xml keeps REP 149 and names every package that the code uses."""

import re
import tomllib
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The order that REP 149's schema asks for; dependencies come in any order among themselves.
HEAD = ['name', 'version', 'description', 'maintainer', 'license', 'url', 'author']
DEPENDENCIES = {
    'build_depend', 'build_export_depend', 'buildtool_depend', 'buildtool_export_depend', 'exec_depend', 'depend',
    'doc_depend', 'test_depend', 'conflict', 'replace',
}
TAIL = ['group_depend', 'member_of_group', 'export']


def package():
    """Reads package.xml."""
    return ElementTree.parse(ROOT / 'package.xml').getroot()


def texts(*tags):
    """Gives the texts of the elements with these tags."""
    return [element.text for tag in tags for element in package().findall(tag)]

# Built along with the package: colcon does not look for packages inside one, and rosdep knows no such key.
OWN = {'thalweg_msgs'}
# Of trackers: used where they are sourced when the node is built, and not needed.
OPTIONAL = {'zed_msgs', 'hri_msgs'}


class PackageXml(unittest.TestCase):
    """The manifest, against the standard and against the code."""

    def test_elements_are_those_of_format_3_in_order(self):
        self.assertEqual(package().attrib, {'format': '3'})
        ranks = []
        for element in package():
            order = [*HEAD, 'dependency', *TAIL]
            ranks.append(order.index('dependency' if element.tag in DEPENDENCIES else element.tag))
        self.assertEqual(ranks, sorted(ranks))

    def test_required_elements_are_there_and_well_formed(self):
        for tag in ('name', 'version', 'description'):
            self.assertEqual(len(texts(tag)), 1, tag)
        self.assertRegex(texts('name')[0], r'^[a-z](_?[a-z0-9]+)*$')
        self.assertRegex(texts('version')[0], r'^\d+\.\d+\.\d+$')
        self.assertTrue(texts('maintainer'))
        for maintainer in package().findall('maintainer'):
            self.assertRegex(maintainer.attrib['email'], r'^[^@\s]+@[^@\s]+\.[^@\s]+$')

    def test_name_keeps_rep_144(self):
        self.assertGreaterEqual(len(texts('name')[0]), 2)
        self.assertNotIn('ros', texts('name')[0])

    def test_dependencies_are_named_once(self):
        for tag in DEPENDENCIES:
            self.assertEqual(len(texts(tag)), len(set(texts(tag))), tag)
        twice = set(texts('depend')) & set(texts('build_depend', 'build_export_depend', 'exec_depend'))
        self.assertFalse(twice, 'depend stands for all three')

    def test_version_and_licences_are_cargos(self):
        cargo = tomllib.loads((ROOT / 'Cargo.toml').read_text())['workspace']['package']
        self.assertEqual(texts('version'), [cargo['version']])
        self.assertEqual(sorted(texts('license')), sorted(cargo['license'].split(' OR ')))
        for licence in package().findall('license'):
            self.assertTrue((ROOT / licence.attrib['file']).is_file(), licence.attrib)

    def test_every_message_package_in_the_code_is_a_dependency(self):
        used = set()
        for path in [*(ROOT / 'src').rglob('*.rs'), *(ROOT / 'tests').rglob('*.rs')]:
            used |= set(re.findall(r'\br2r::(\w+)::(?:msg|srv|action)\b', path.read_text()))
            for group in re.findall(r'\buse r2r::\{(.*?)\};', path.read_text(), re.DOTALL):
                used |= set(re.findall(r'(\w+)::(?:msg|srv|action)\b', group))
                used |= {word for word in re.findall(r'\b(\w+_(?:msgs|interfaces))\b', group)}
            used |= set(re.findall(r'\buse r2r::(\w+_(?:msgs|interfaces))\b', path.read_text()))
        self.assertIn('sensor_msgs', used, 'the search finds nothing')
        self.assertFalse(used - OWN - set(texts('depend')))

    def test_generated_messages_are_dependencies(self):
        listed = re.search(r"MESSAGES='(.*)'", (ROOT / 'tools/setup_ros2.sh').read_text())[1]
        self.assertFalse(set(listed.split(';')) - OWN - OPTIONAL - set(texts('depend')))

    def test_what_is_made_along_finds_what_it_needs(self):
        own = ElementTree.parse(ROOT / 'thalweg_msgs/package.xml').getroot()
        needed = {tag.text for kind in ('depend', 'buildtool_depend', 'exec_depend') for tag in own.findall(kind)}
        self.assertFalse(needed - set(texts('depend', 'buildtool_depend', 'build_depend', 'exec_depend')))

    def test_packages_of_the_launch_files_are_dependencies(self):
        text = ''.join(path.read_text() for path in sorted((ROOT / 'launch').glob('*.launch.py')))
        started = set(re.findall(r"\bstart\(\s*'(\w+)'", text))
        imported = set(re.findall(r'^from (launch\w*|ament_\w+)', text, re.MULTILINE))
        self.assertIn('robot_state_publisher', started, 'the search finds nothing')
        self.assertIn('launch_ros', imported, 'the search finds nothing')
        # A robot without a screen need not have RViz.
        wanted = started - {'rviz2'} | imported | {'python3-yaml'}
        self.assertFalse(wanted - set(texts('exec_depend', 'name')))


if __name__ == '__main__':
    unittest.main()
