"""launch.py - processes under the mpirun of Open MPI or MPICH, and what a test wants to know of them."""
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid

NAMES = {'openmpi': ('mpirun.openmpi', 'Open MPI', 'OpenRTE'), 'mpich': ('mpirun.mpich', 'HYDRA', 'MPICH')}


def find_launcher(kind):
    """The mpirun of that MPI, or None: as Debian names it, or `mpirun` where it is that."""
    name, *signs = NAMES[kind]
    if shutil.which(name):
        return shutil.which(name)
    for name in ('mpirun', 'mpiexec'):
        if shutil.which(name):
            said = subprocess.run([name, '--version'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True).stdout
            if any(sign in said for sign in signs):
                return shutil.which(name)
    return None


def environment(**more):
    env = dict(os.environ, OPENBLAS_NUM_THREADS='1', LC_ALL='C', **more)
    if os.geteuid() == 0:
        env.update(OMPI_ALLOW_RUN_AS_ROOT='1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM='1')
    # containers may forbid what Open MPI copies with between processes
    env.setdefault('OMPI_MCA_btl_vader_single_copy_mechanism', 'none')
    # else mpirun gives ranks that have ended already another second
    env.setdefault('OMPI_MCA_odls_base_sigkill_timeout', '0')
    return env


def command(kind, *parts):
    """(ranks, program and arguments)... as one command: each part with arguments of its own."""
    words = [find_launcher(kind)] + (['--oversubscribe'] if kind == 'openmpi' else [])
    for ranks, program in parts:
        words += ([] if words[-1] in (words[0], '--oversubscribe') else [':']) + ['-np', str(ranks), *program]
    return words


class Job:
    """A running mpirun with its ranks."""
    def __init__(self, kind, *parts, words=None, **variables):
        self.mark = uuid.uuid4().hex
        self.output = tempfile.TemporaryFile()
        self.process = subprocess.Popen(words or command(kind, *parts),
                                        env=environment(CAE_TEST_MARK=self.mark, **variables),
                                        stdin=subprocess.DEVNULL, stdout=self.output,
                                        stderr=subprocess.STDOUT, start_new_session=True)
        self.name = {'openmpi': b'OMPI_COMM_WORLD_RANK', 'mpich': b'PMI_RANK'}[kind]

    def everybody(self):
        """pid -> rank of the processes that it started; None for helpers of the launcher."""
        found = {}
        for pid in filter(str.isdigit, os.listdir('/proc')):
            try:
                with open('/proc/%s/environ' % pid, 'rb') as file:
                    variables = file.read().split(b'\0')
                with open('/proc/%s/stat' % pid) as file:
                    zombie = file.read().rsplit(')', 1)[1].split()[0] == 'Z'
            except OSError:
                continue
            if b'CAE_TEST_MARK=' + self.mark.encode() in variables and not zombie:
                ranks = [v.split(b'=')[1] for v in variables if v.startswith(self.name + b'=')]
                found[int(pid)] = int(ranks[0]) if ranks else None
        return found

    def ranks(self):
        return {rank: pid for pid, rank in self.everybody().items() if rank is not None}

    def signal(self, rank, number):
        os.kill(self.ranks()[rank], number)

    def wait(self, seconds):
        """(exit code, everything printed); the code is None when it took longer, and then all are killed."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        self.end(5 if code is not None else 0)
        self.output.seek(0)
        return code, self.output.read().decode(errors='replace')

    def end(self, grace=0):
        """No process of it is left: those that do not end by themselves are killed."""
        end = time.monotonic() + grace
        while self.everybody() and time.monotonic() < end:
            time.sleep(0.05)
        left = self.everybody()
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        return left


def run(kind, *parts, seconds=60):
    return Job(kind, *parts).wait(seconds)


def digest(path):
    with open(path, 'rb') as file:
        return hashlib.sha256(file.read()).hexdigest()


def wait_until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'not within %g seconds: %s' % (seconds, what)
        time.sleep(0.005)
