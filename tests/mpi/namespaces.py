#!/usr/bin/env python3
"""namespaces.py KIND DENOISE - two hosts on one machine: network namespaces with a cable between them.

Each namespace has a host name of its own, so that MPI takes them for two machines; what it says goes
over TCP through a pair of virtual interfaces, whose counters are read. The trainer's files must be those of one
process, byte by byte. Then the cable is pulled in mid-training: the ranks on both sides must end by themselves.

Needs root, and iproute2. KIND is openmpi or mpich. Prints TAP; what it made is removed."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import launch
from launch import Job, digest, environment, wait_until

NET, DEVICE = '10.77.31', 'cae0'
TIMEOUT = 4
OPTIONS = ['--limit', '640', '--seed', '3', '--quiet', '--threads', '1']


def ip(*words):
    subprocess.run(['ip', *words], check=True)


class Hosts:
    """Two of them: names[i] has the address addresses[i]."""
    def __init__(self, scratch):
        self.names = ['cae-%d-%s' % (os.getpid(), side) for side in 'ab']
        self.addresses = [NET + '.1', NET + '.2']
        self.agent = os.path.join(scratch, 'agent')
        with open(self.agent, 'w') as file: # what ssh would do: the host, then words for a shell
            file.write('#!/bin/sh\nwhile :; do case $1 in -*) shift ;; *) break ;; esac; done\n'
                       'case $1 in %s) host=%s ;; *) host=%s ;; esac\nshift\n'
                       'exec ip netns exec $host unshare --uts sh -c "hostname $host; $*"\n'
                       % (self.addresses[0], *self.names))
        os.chmod(self.agent, 0o755)

    def build(self):
        for name in self.names:
            ip('netns', 'add', name)
            ip('-n', name, 'link', 'set', 'lo', 'up')
        ip('link', 'add', DEVICE, 'netns', self.names[0], 'type', 'veth', 'peer', 'name', DEVICE,
           'netns', self.names[1])
        for name, address in zip(self.names, self.addresses):
            ip('-n', name, 'address', 'add', address + '/24', 'dev', DEVICE)
            ip('-n', name, 'link', 'set', DEVICE, 'up')
        wait_until(lambda: all(self.read(name, 'operstate') == 'up' for name in self.names), 10, 'a link')

    def read(self, name, what):
        return subprocess.check_output(['ip', 'netns', 'exec', name, 'cat',
                                        '/sys/class/net/%s/%s' % (DEVICE, what)], text=True).strip()

    def remove(self):
        for name in self.names:
            subprocess.run(['ip', 'netns', 'delete', name], stderr=subprocess.DEVNULL)

    def inside(self, words):
        """These words on the first host."""
        return ['ip', 'netns', 'exec', self.names[0], 'unshare', '--uts', 'sh', '-c',
                'hostname %s; exec "$@"' % self.names[0], 'sh', *words]

    def crossed(self):
        """Bytes that the first host has sent and received."""
        return sum(int(self.read(self.names[0], 'statistics/%s_bytes' % way)) for way in ('tx', 'rx'))

    def cable(self, state):
        ip('-n', self.names[0], 'link', 'set', DEVICE, state)


def job(kind, hosts, each, program):
    """`each` ranks on each host."""
    if kind == 'openmpi':
        words = ['--host', ','.join('%s:%d' % (address, each) for address in hosts.addresses),
                 '--mca', 'plm_rsh_agent', hosts.agent, '--mca', 'btl', 'tcp,self', '--mca', 'pml', 'ob1',
                 '--mca', 'btl_tcp_if_include', NET + '.0/24', '--mca', 'oob_tcp_if_include', NET + '.0/24',
                 # mpirun's own connections: without these it would take a dead cable for silence
                 '--mca', 'oob_tcp_keepalive_time', '2', '--mca', 'oob_tcp_keepalive_intvl', '1',
                 '--mca', 'oob_tcp_keepalive_probes', '3',
                 '--oversubscribe', '--bind-to', 'none']
    else:
        words = ['-launcher', 'ssh', '-launcher-exec', hosts.agent, '-iface', DEVICE,
                 '-hosts', ','.join('%s:%d' % (address, each) for address in hosts.addresses)]
    words = [launch.find_launcher(kind), *words, '-np', str(2 * each), *program]
    return Job(kind, words=hosts.inside(words), UCX_TLS='tcp,self', UCX_NET_DEVICES=DEVICE)


def same_bytes(kind, denoise, hosts, scratch, each):
    reference, place = os.path.join(scratch, 'reference'), os.path.join(scratch, 'ranks')
    shutil.rmtree(place, ignore_errors=True)
    options = OPTIONS + ['--epochs', '2']
    if not os.path.exists(reference):
        subprocess.run([denoise, *options, '--out', reference], check=True, env=environment())
    before = hosts.crossed()
    code, text = job(kind, hosts, each, [denoise, *options, '--out', place]).wait(120)
    assert code == 0, 'exit code %s\n%s' % (code, text)
    bytes_ = hosts.crossed() - before
    for name in ('model.safetensors', 'checkpoint.safetensors'):
        assert digest(os.path.join(place, name)) == digest(os.path.join(reference, name)), \
            '%s: other bytes than one process' % name
    # 20 steps with 8 slots of 1,611 floats, one way at least
    assert bytes_ > 20 * 8 * 1611 * 4, 'only %d bytes crossed' % bytes_
    return '%d bytes crossed' % bytes_


def trainers(running, denoise):
    """Their process ids."""
    found = []
    for pid in running.everybody():
        try:
            if os.path.samefile('/proc/%d/exe' % pid, denoise):
                found.append(pid)
        except OSError:
            pass
    return found


def cable_is_pulled(kind, denoise, hosts, scratch):
    place = os.path.join(scratch, 'pulled')
    running = job(kind, hosts, 1, [denoise, *OPTIONS, '--epochs', '500', '--timeout', str(TIMEOUT), '--out', place])
    try:
        wait_until(lambda: os.path.exists(os.path.join(place, 'log.csv')), 60, 'a checkpoint')
        hosts.cable('down')
        began = time.monotonic()
        wait_until(lambda: len(trainers(running, denoise)) < 2, 60, 'the end of a rank')
        first = time.monotonic() - began
        wait_until(lambda: not trainers(running, denoise), 60, 'the end of both ranks')
        both = time.monotonic() - began
        try:
            code = running.process.wait(60)
            launcher = 'mpirun with exit code %d after %.1f s' % (code, time.monotonic() - began)
            assert code, launcher
        except subprocess.TimeoutExpired:
            launcher = 'mpirun not within 60 s'
    finally:
        text = running.wait(0)[1]
        hosts.cable('up')
    assert 'nothing heard from another rank for %d seconds' % TIMEOUT in text or 'rank' in text, text
    options = OPTIONS + ['--epochs', '500', '--limit', '640', '--resume',
                         os.path.join(place, 'checkpoint.safetensors')]
    # the last checkpoint goes on: one more epoch of one process
    with open(os.path.join(place, 'log.csv')) as file:
        epochs = int(file.read().splitlines()[-1].split(',')[1])
    options[options.index('500')] = str(epochs + 1)
    subprocess.run([denoise, *options, '--out', place], check=True, env=environment())
    print(''.join('# %s\n' % line for line in text.splitlines() if 'denoise' in line), end='')
    return 'timeout %d s: one rank ended after %.1f s, both after %.1f s, %s' % (TIMEOUT, first, both, launcher)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    kind, denoise = sys.argv[1], os.path.abspath(sys.argv[2])
    if os.geteuid() != 0 or not shutil.which('ip') or not launch.find_launcher(kind):
        print('1..0 # skip needs root, ip and the mpirun of ' + kind)
        return 0
    scratch = tempfile.mkdtemp()
    hosts = Hosts(scratch)
    failed = 0
    checks = [('two hosts, a rank each', lambda: same_bytes(kind, denoise, hosts, scratch, 1)),
              ('two hosts, two ranks each', lambda: same_bytes(kind, denoise, hosts, scratch, 2)),
              ('the cable is pulled', lambda: cable_is_pulled(kind, denoise, hosts, scratch))]
    try:
        hosts.build()
        print('1..%d' % len(checks))
        for number, (name, check) in enumerate(checks, 1):
            try:
                print('ok %d - %s: %s' % (number, name, check()), flush=True)
            except (AssertionError, OSError, subprocess.SubprocessError) as error:
                failed += 1
                print('not ok %d - %s' % (number, name))
                print(''.join('# %s\n' % line for line in str(error).splitlines()), end='', flush=True)
    finally:
        hosts.remove()
        shutil.rmtree(scratch, ignore_errors=True)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
