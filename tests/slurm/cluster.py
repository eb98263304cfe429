"""A real Slurm on this machine: one controller, two nodes, an authentication service and ports of its own.

The daemons run as the user of the tests and know only the files of one temporary folder, so that a Slurm that
this machine may belong to is not touched. Everything is ended by the PID files that the daemons write.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")
SYSTEM = "/usr/sbin:/usr/local/sbin:/sbin"
UP_SECONDS = 30.0

CONFIGURATION = """ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmctldPort={ports[0]}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
ReturnToService=2
MailProg=/bin/true
KillWait=20
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1,batch_sched_delay=0
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=1 RealMemory=1000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=1 RealMemory=1000
PartitionName=common Nodes=n1,n2 Default=YES PriorityTier=1
PartitionName=graceful Nodes=n1,n2 PriorityTier=1 GraceTime=30
PartitionName=urgent Nodes=n1,n2 PriorityTier=9
"""
"""A credential lives for five seconds: a job that was put back into the queue waits for so long."""


class ClusterError(RuntimeError):
    """Slurm cannot be started here; the message says why."""


class Cluster:
    """Slurm while it runs; commands find it by ``SLURM_CONF``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.configuration = folder / "slurm.conf"
        self._environment = {**os.environ, "SLURM_CONF": str(self.configuration)}
        self._environment["PATH"] = f"{os.environ.get('PATH', '')}:{SYSTEM}"

    def start(self) -> None:
        """Start all daemons and wait until both nodes are idle.

        Raises:
            ClusterError: a program is missing, or the nodes do not come up.
        """
        path = self._environment["PATH"]
        if missing := [name for name in DAEMONS if shutil.which(name, path=path) is None]:
            raise ClusterError(f"no Slurm here: {', '.join(missing)} missing; apt install slurm-wlm munge")
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        key = self.folder / "munge.key"
        key.touch(0o600)
        key.write_bytes(secrets.token_bytes(1024))
        values = {
            "host": socket.gethostname().partition(".")[0],
            "user": getpass.getuser(),
            "folder": self.folder,
        }
        self.configuration.write_text(CONFIGURATION.format(**values, ports=_free_ports(3)))
        options = {"key-file": key, "socket": "munge.sock", "pid-file": "munged.pid", "seed-file": "munge.seed"}
        options |= {"log-file": "munged.log"}
        given = [f"--{name}={self.folder / value}" for name, value in options.items()]
        # forced: root has a service of its own as a rule, and folders above ours may be open to a group
        self.run("munged", *given, "--force")
        self.run("slurmctld")
        for node in ("n1", "n2"):
            self.run("slurmd", "-N", node)
        deadline = time.monotonic() + UP_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(ClusterError):
                if (
                    self.run("sinfo", "--noheader", "--Node", "--partition=common", "--format=%t").split()
                    == ["idle"] * 2
                ):
                    return
            time.sleep(0.2)
        logs = [f"{log.name}: {log.read_text()[-500:]}" for log in sorted(self.folder.glob("*.log"))]
        raise ClusterError(f"the nodes of Slurm did not come up in {UP_SECONDS:.0f} seconds; {'; '.join(logs)}")

    def run(self, *command: str) -> str:
        """Run a command of Slurm and return what it printed."""
        try:
            done = subprocess.run(
                command,
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=30,
                cwd=self.folder,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ClusterError(f"{command[0]} cannot be run: {error}") from None
        if done.returncode:
            raise ClusterError(f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}")
        return done.stdout

    def cancel_all(self) -> None:
        """End all jobs and wait until they are gone."""
        self.run("scancel", "--me")
        deadline = time.monotonic() + 30
        while self.run("squeue", "--noheader").strip():
            if time.monotonic() > deadline:
                raise ClusterError("jobs of Slurm do not end")
            time.sleep(0.2)

    def end(self) -> None:
        """End all jobs, then all daemons by their PID files."""
        with contextlib.suppress(ClusterError):
            self.cancel_all()
        files = sorted(self.folder.glob("*.pid"), key=lambda path: path.name.startswith("munged"))
        pids = []
        for file in files:
            with contextlib.suppress(OSError, ValueError):
                pids.append(int(file.read_text()))
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            deadline = time.monotonic() + 10
            while pids and time.monotonic() < deadline:
                time.sleep(0.1)
                pids = [pid for pid in pids if _is_alive(pid)]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
