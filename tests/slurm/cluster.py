"""A real Slurm on this machine, whose nodes have names, processes and networks of their own."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.conftest import RUN
from tests.faults.cluster_head import free_ports

PATH = f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PATIENCE_S = 150
NODES = ("n1", "n2", "n3")
PLUGINS = "ProctrackType=proctrack/linuxproc\nTaskPlugin=task/affinity"
"""A job's processes are found by their parents, and its processors by affinity."""

_PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "ip", "nsenter", "unshare")
_CONF = """
ClusterName=texgen
SlurmctldHost={host}({subnet}.1)
SlurmctldPort={port}
SlurmUser=root
AuthType=auth/munge
CredType=cred/munge
# A job that was requeued waits until its credential has run out: 121 s, if nothing is said here.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
KillWait=10
SlurmdTimeout=15
{plugins}
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
# Ray keeps its sessions in /tmp, which machines do not share. The first process is a shell, since
# it must reap the children of processes that end.
_NODE = """
hostname "$1"
mount --bind "$2" /etc/hosts
mkdir -p /tmp/ray
mount -t tmpfs tmpfs /tmp/ray
ip link set lo up
slurmd -D -N "$1"
"""


def missing() -> str | None:
    """Reason why Slurm cannot run here; None if it can."""
    if absent := [name for name in _PROGRAMS if not shutil.which(name, path=PATH)]:
        return f"no {', '.join(absent)} here"
    if os.geteuid():
        return "only root can start nodes"
    tried = subprocess.run(_unshare("true"), capture_output=True)
    return "no namespaces can be made here" if tried.returncode else None


def _unshare(*command: str) -> list[str]:
    own = ["--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return ["unshare", *own, *command]


class Slurm:
    """A controller, and nodes that can be lost.

    Args:
        plugins: Lines of slurm.conf.
        cpus: Number of processors that each node reports.

    Attributes:
        folder: Folder of configuration, state, spool and logs.
        environment: Environment that commands need to reach the controller.
    """

    def __init__(self, plugins: str = PLUGINS, cpus: int = 2) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        self.environment = {
            "PATH": PATH,
            "HOME": str(self.folder),
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            RUN: os.environ[RUN],
        }
        self._plugins = plugins
        self._cpus = cpus
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Slurm:
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
            subnet = stack.enter_context(_network())
            stack.callback(self._kill)
            self._configure(subnet)
            self._start("munged", self._munged())
            self._wait(lambda: (self.folder / "munge.socket").exists())
            self._start("slurmctld", ["slurmctld", "-D", "-i"])
            for name in NODES:
                self.start(name)
            self._wait(lambda: all(self.node(name) == "IDLE" for name in NODES))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def _configure(self, subnet: str) -> None:
        (self.folder / "state").mkdir()
        (self.folder / "munge.key").write_bytes(os.urandom(256))
        (self.folder / "munge.key").chmod(0o600)
        # munge requires that other users can reach its socket.
        self.folder.chmod(0o755)
        names = [("localhost", "127.0.0.1"), (socket.gethostname(), f"{subnet}.1")]
        names += [(name, f"{subnet}.{2 + n}") for n, name in enumerate(NODES)]
        hosts = "".join(f"{address} {name}\n" for name, address in names)
        (self.folder / "hosts").write_text(hosts)
        ports = free_ports(2)
        nodes = "".join(
            f"NodeName={name} NodeAddr={address} NodeHostname={name} Port={ports[1]} "
            f"CPUs={self._cpus} RealMemory=4000 State=UNKNOWN\n"
            for name, address in names[2:]
        )
        conf = _CONF.format(
            host=socket.gethostname(), subnet=subnet, port=ports[0], folder=self.folder,
            plugins=self._plugins, nodes=nodes,
        )  # fmt: skip
        (self.folder / "slurm.conf").write_text(conf)
        cgroup = "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\nConstrainCores=yes\n"
        (self.folder / "cgroup.conf").write_text(cgroup + "ConstrainRAMSpace=yes\n")

    def _munged(self) -> list[str]:
        files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "seed-file": "seed"}
        places = [f"--{option}={self.folder}/munge.{file}" for option, file in files.items()]
        return ["munged", "--foreground", "--force", f"--log-file={self.folder}/munge.log", *places]

    def _start(self, name: str, command: list[str]) -> None:
        with (self.folder / f"{name}.out").open("ab") as log:
            self._running[name] = subprocess.Popen(
                command, env=self.environment, cwd="/", stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def start(self, name: str) -> None:
        """Starts a node."""
        space = f"--net=/run/netns/{_spaces(self._subnet())[NODES.index(name)]}"
        inside = _unshare("bash", "-ec", _NODE, "node", name, str(self.folder / "hosts"))
        self._start(name, ["nsenter", space, *inside])

    def _subnet(self) -> str:
        found = re.search(r"\((.*)\.1\)", (self.folder / "slurm.conf").read_text())
        assert found
        return found[1]

    def lose(self, name: str) -> None:
        """Kills all processes of a node at once, like a power loss."""
        process = self._running.pop(name)
        process.kill()
        process.wait(30)

    def recover(self) -> None:
        """Starts the lost nodes, and waits until all nodes are idle."""
        for name in NODES:
            if name not in self._running:
                self.start(name)
        self._wait(lambda: all(self.node(name) == "IDLE" for name in NODES))

    def _kill(self) -> None:
        for name in [*NODES, "slurmctld", "munged"]:
            if name in self._running:
                self.lose(name)

    def run(self, *words: object, check: bool = True, **options: object) -> str:
        """Runs a command of Slurm and returns its output."""
        given = {"env": self.environment, "text": True, "stdout": subprocess.PIPE, **options}
        command = [str(word) for word in words]
        done = subprocess.run(command, stderr=subprocess.STDOUT, timeout=PATIENCE_S, **given)
        assert not check or done.returncode == 0, done.stdout
        return done.stdout.strip()

    def sbatch(self, *words: object, cwd: Path | None = None, **environment: str) -> str:
        """Submits a job from ``cwd`` with ``environment``, and returns its number."""
        given = {**self.environment, **environment}
        return self.run("sbatch", "--parsable", *words, cwd=cwd or self.folder, env=given)

    def node(self, name: str) -> str:
        """State of a node."""
        return self._field("State", "node", name)

    def job(self, number: str, field: str = "JobState") -> str:
        """State and exit code of a job."""
        return self._field(field, "job", number)

    def jobs(self, number: str) -> list[str]:
        """States of all tasks of a job; waiting tasks may be one entry."""
        shown = self.run("scontrol", "--oneliner", "show", "job", number, check=False)
        return re.findall(r"\bJobState=(\S+)", shown)

    def _field(self, field: str, *what: str) -> str:
        shown = self.run("scontrol", "--oneliner", "show", *what, check=False)
        found = re.search(rf"\b{field}=(\S+)", shown)
        return found[1] if found else ""

    def until(self, number: str, *states: str) -> str:
        """Waits until a job is in one of some states."""
        self._wait(lambda: self.job(number) in states)
        return self.job(number)

    def _wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.1)

    def log(self) -> str:
        """Logs of Slurm."""
        logs = [*self.folder.glob("*.log"), *self.folder.glob("*.out")]
        jobs = self.run("squeue", "--all", check=False) + self.run("sinfo", check=False)
        return jobs + "".join(f"\n== {log}\n{log.read_text()[-3000:]}" for log in logs)


@contextlib.contextmanager
def _network() -> Iterator[str]:
    """Creates network namespaces for the nodes, which reach each other and this machine.

    Yields:
        The first three numbers of their addresses; 1 is this machine, 2 the first node.
    """
    number = next(n for n in range(os.getpid() % 200, 250) if _ip("netns", "add", f"txs{n}") == 0)
    # The bridge has a namespace of its own too: a firewall such as Docker's might block it.
    switch, subnet = f"txs{number}", f"10.214.{number}"
    with contextlib.ExitStack() as stack:
        stack.callback(_ip, "netns", "del", switch)
        _ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        _ip("-n", switch, "link", "set", "bridge", "up")
        places: list[tuple[str, ...]] = [()]
        for space in _spaces(subnet):
            _ip("netns", "add", space)
            stack.callback(_ip, "netns", "del", space)
            places.append(("-n", space))
        for last, place in enumerate(places, 1):
            # Both ends have this name; the link goes with the namespace of either.
            wire = f"{switch}w{last}"
            _ip("-n", switch, "link", "add", wire, "type", "veth", "peer", "name", "wire")
            _ip("-n", switch, "link", "set", wire, "master", "bridge", "up")
            there = place[1] if place else str(os.getpid())
            _ip("-n", switch, "link", "set", "wire", "netns", there, "name", switch)
            _ip(*place, "addr", "add", f"{subnet}.{last}/24", "dev", switch)
            _ip(*place, "link", "set", switch, "up")
        yield subnet


def _spaces(subnet: str) -> list[str]:
    number = subnet.rpartition(".")[2]
    return [f"txs{number}-{node}" for node in range(len(NODES))]


def _ip(*words: str) -> int:
    return subprocess.run(["ip", *words], capture_output=True).returncode
