"""thalweg_msgs: a package of its own, made by the provisioned generators, and documented field by field."""

import os
import re
import subprocess
import sys
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / 'thalweg_msgs'


class Messages(unittest.TestCase):
    """What is in the package."""

    def test_every_field_has_a_comment_above_it(self):
        for path in [*PACKAGE.glob('*/*.msg'), *PACKAGE.glob('*/*.srv')]:
            before = ''
            for line in path.read_text().splitlines():
                if re.match(r'[a-z]\w*(/\w+)?(\[\])? \w+$', line) or re.match(r'[A-Z]\w*(\[\])? \w+$', line):
                    # success and message share one.
                    self.assertTrue(before.startswith('#') or before.startswith('bool '), f'{path.name}: {line}')
                before = line

    def test_the_manifest(self):
        package = ElementTree.parse(PACKAGE / 'package.xml').getroot()
        version = ElementTree.parse(ROOT / 'package.xml').getroot().findtext('version')
        self.assertEqual((package.findtext('name'), package.findtext('version')), ('thalweg_msgs', version))
        self.assertEqual(package.findtext('member_of_group'), 'rosidl_interface_packages')

    @unittest.skipUnless(os.environ.get('THALWEG_MSGS_PYTHON'), 'no thalweg_msgs was made (THALWEG_MSGS_PYTHON)')
    def test_what_was_made_is_what_is_written(self):
        code = ('from thalweg_msgs.msg import Hypothesis, HypothesisArray; from thalweg_msgs.srv import Complete; '
                'print(sorted({**Hypothesis.get_fields_and_field_types(), '
                '**HypothesisArray.get_fields_and_field_types(), **Complete.Response.get_fields_and_field_types()}))')
        path = os.pathsep.join([os.environ['THALWEG_MSGS_PYTHON'], os.environ.get('PYTHONPATH', '')])
        done = subprocess.run([sys.executable, '-c', code], env=os.environ | {'PYTHONPATH': path}, text=True,
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        fields = re.findall(r'^[\w/]+(?:\[\])? (\w+)$', '\n'.join(
            (PACKAGE / name).read_text().partition('---\n')[2] or (PACKAGE / name).read_text()
            for name in ('msg/Hypothesis.msg', 'msg/HypothesisArray.msg', 'srv/Complete.srv')), re.MULTILINE)
        self.assertEqual(done.stdout.strip(), str(sorted(set(fields))))


if __name__ == '__main__':
    unittest.main()
