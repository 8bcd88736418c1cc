"""The examples of trainings in a cluster: their form, and what their commands do, run on this machine."""

import os
import pathlib
import re
import socket
import subprocess
import tempfile
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / 'target/release/thalweg'
SMALL = ['--preset', 'quick', '--hidden', '32', '--descents', '64', '--steps', '4', '--batch', '64', '--drawn', '256',
         '--validation-rows', '64', '--buffers', '2']
SECONDS = 120

# What stands in for Slurm: two tasks on this machine.
SCONTROL = '#!/bin/sh\n[ "$*" = "show hostnames node[1-2]" ] && printf "127.0.0.1\\nnode2\\n"\n'
SRUN = '''#!/bin/bash
[ "$1" = --kill-on-bad-exit=1 ] || exit 64
shift
export SLURM_NTASKS=2
pids=()
for task in 0 1; do
  SLURM_PROCID=$task SLURM_LOCALID=$task "$@" & pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid" || exit; done
'''


def free_port():
    with socket.socket() as found:
        found.bind(('127.0.0.1', 0))
        return str(found.getsockname()[1])


def environment(**more):
    """This one without the variables of launchers, and with the program on the path."""
    names = {'RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT'}
    kept = {name: value for name, value in os.environ.items() if name not in names}
    kept['PATH'] = f'{PROGRAM.parent}:{kept["PATH"]}'
    return kept | more


class Slurm(unittest.TestCase):
    path = ROOT / 'launch/slurm/train.sbatch'

    def test_form(self):
        subprocess.run(['bash', '-n', self.path], check=True)
        text = self.path.read_text()
        self.assertTrue(text.startswith('#!/bin/bash\n'))
        options = re.findall(r'^#SBATCH (.*)$', text, re.MULTILINE)
        self.assertGreater(len(options), 4)
        for option in options:
            self.assertRegex(option, r'^--(job-name|nodes|ntasks-per-node|cpus-per-task|time|open-mode)=\S+$|^--requeue$')
        # sbatch reads options before the first command only.
        body = text[text.index('set -euo pipefail'):]
        self.assertNotIn('#SBATCH', body)

    def test_its_commands_train(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            for name, text in (('scontrol', SCONTROL), ('srun', SRUN)):
                (folder / name).write_text(text)
                (folder / name).chmod(0o755)
            env = environment(SLURM_JOB_NODELIST='node[1-2]', SLURM_JOB_ID='7', MASTER_PORT=free_port())
            env['PATH'] = f'{folder}:{env["PATH"]}'
            output = folder / 'theta.safetensors'
            command = ['bash', self.path, '--task', 'planar_arm', '--output', output, *SMALL]
            done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)
            self.assertEqual((done.returncode, done.stderr), (0, ''))
            self.assertTrue(output.exists())
            self.assertEqual(done.stdout.count('wrote '), 1)


class Kubernetes(unittest.TestCase):
    def setUp(self):
        self.job = yaml.safe_load((ROOT / 'launch/kubernetes/train.yaml').read_text())
        self.replicas = self.job['spec']['pytorchReplicaSpecs']

    def test_form(self):
        """What the schema of PyTorchJob (kubeflow.org/v1) demands of the fields that are used."""
        self.assertEqual((self.job['apiVersion'], self.job['kind']), ('kubeflow.org/v1', 'PyTorchJob'))
        self.assertEqual(set(self.job), {'apiVersion', 'kind', 'metadata', 'spec'})
        self.assertRegex(self.job['metadata']['name'], r'^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')
        self.assertEqual(set(self.job['spec']), {'runPolicy', 'pytorchReplicaSpecs'})
        self.assertEqual(set(self.replicas), {'Master', 'Worker'})
        self.assertEqual(self.replicas['Master']['replicas'], 1)
        for replica in self.replicas.values():
            self.assertEqual(set(replica), {'replicas', 'restartPolicy', 'template'})
            self.assertIn(replica['restartPolicy'], ('Always', 'OnFailure', 'Never', 'ExitCode'))
            spec = replica['template']['spec']
            (container,) = spec['containers']
            self.assertEqual(container['name'], 'pytorch')
            for field in ('command', 'args'):
                self.assertTrue(all(isinstance(word, str) for word in container[field]), container[field])
            volumes = {volume['name'] for volume in spec['volumes']}
            self.assertEqual({mount['name'] for mount in container['volumeMounts']}, volumes)
            for kind, amounts in container['resources'].items():
                self.assertIn(kind, ('requests', 'limits'))
                self.assertTrue(all(re.fullmatch(r'\d+(m|Mi|Gi)?', amount) for amount in amounts.values()))

    def test_its_commands_train(self):
        """A pod for each of two replicas, with the variables that the operator sets."""
        with tempfile.TemporaryDirectory() as folder:
            port, pods = free_port(), []
            for rank, replica in enumerate(('Master', 'Worker')):
                (container,) = self.replicas[replica]['template']['spec']['containers']
                (mount,) = container['volumeMounts']
                words = [word.replace(mount['mountPath'], folder) for word in container['command'] + container['args']]
                env = environment(RANK=str(rank), WORLD_SIZE='2', MASTER_ADDR='localhost', MASTER_PORT=port)
                pods.append(subprocess.Popen(words + SMALL, env=env, cwd=ROOT, stdout=subprocess.PIPE,
                                             stderr=subprocess.PIPE, text=True))
            told = [pod.communicate(timeout=SECONDS) for pod in pods]
            self.assertEqual([pod.returncode for pod in pods], [0, 0], told)
            self.assertTrue(told[0][0].startswith('wrote '))
            self.assertEqual(told[1], ('', ''))
            self.assertTrue((pathlib.Path(folder) / 'theta.safetensors').exists())


if __name__ == '__main__':
    unittest.main()
