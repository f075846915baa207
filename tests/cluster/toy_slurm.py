"""A real SLURM of several nodes on one machine: no systemd, loopback only, everything in one folder.

Its own munge key, sockets and ports leave an installed SLURM alone. Pretend GPUs are character devices, which SLURM
counts and hands out like real ones.
"""

import contextlib
import getpass
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import psutil

CONTROLLER_PORT, NODE_PORT = 16817, 17001
DEVICES = ("null", "zero", "full", "random", "urandom")
LINES = """\
ClusterName=toy
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
# a requeued job waits for the life of its credential
AuthInfo=socket={folder}/munge/sock,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=100
GresTypes=gpu
MpiDefault=none
ReturnToService=2
SlurmdTimeout=6
KillWait=5
MinJobAge=3600
JobRequeue=1
# more CPUs than the machine has
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=1,sched_interval=2,bf_interval=5,preempt_send_user_signal
NodeName=n[1-{nodes}] NodeHostname={host} NodeAddr=127.0.0.1 Port={first}-{last} CPUs={cpus} \
RealMemory=4000 Gres=gpu:{gpus} State=UNKNOWN
# the urgent partition takes the nodes of the other from its jobs, which are told and queued again
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=main Nodes=n[1-{nodes}] Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=30
PartitionName=urgent Nodes=n[1-{nodes}] MaxTime=INFINITE State=UP PriorityTier=9 PreemptMode=OFF
"""


class ToySlurm:
    """Starts and stops the cluster; nothing of it outlives ``down``.

    Args:
        folder: an empty folder, not below one that others cannot enter.
        nodes, cpus, gpus: nodes, and what each has.
    """

    def __init__(self, folder: Path, nodes=2, cpus=2, gpus=2):
        self.folder, self.nodes, self.cpus, self.gpus = folder, nodes, cpus, gpus
        self.conf = folder / "slurm.conf"

    @property
    def environment(self):
        """What clients need."""
        path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
        return {"SLURM_CONF": str(self.conf), "PATH": path}

    def up(self):
        self._write()
        self._start("munged", "--force", *(f"--{k}={self.folder}/munge/{v}" for k, v in MUNGE.items()))
        self._start("slurmctld", "-i")
        for node in range(1, self.nodes + 1):
            self.start_node(f"n{node}")
        deadline = time.monotonic() + 30
        while len(self.ask("sinfo", "-h", "-N", "-t", "idle", "-o", "%N").split()) < self.nodes:
            if time.monotonic() > deadline:
                log = (self.folder / "log/slurmctld.log").read_text()[-2000:]
                raise RuntimeError(f"the toy cluster does not come up:\n{log}")
            time.sleep(0.1)

    def start_node(self, name):
        (self.folder / "spool" / name).mkdir(parents=True, exist_ok=True)
        self._start("slurmd", "-N", name)

    def ask(self, *command):
        done = subprocess.run(command, env={**os.environ, **self.environment}, capture_output=True, text=True)
        return done.stdout

    def jobs(self):
        """State of each job of the queue, ended ones too."""
        lines = self.ask("squeue", "-h", "-r", "-t", "all", "-o", "%i %T %N").splitlines()
        return {line.split()[0]: line.split()[1:] for line in lines}

    def lose(self, name):
        """What a power cut does to a node: its daemon, its jobs and all below them, SIGKILL."""
        doomed = [psutil.Process(int((self.folder / f"slurmd-{name}.pid").read_text()))]
        for process in self._processes():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("SLURMD_NODENAME") == name:
                    doomed.append(process)
                    parent = process.parent()
                    if parent is not None and parent.name() == "slurmstepd":
                        doomed.append(parent)
        for process in set(doomed):
            with contextlib.suppress(psutil.Error):
                process.kill()
        return len(set(doomed))

    def down(self):
        """End the jobs, then the daemons; kill what stays."""
        self.ask("scancel", "-f", "-u", getpass.getuser())
        names = ("slurmd-n*.pid", "slurmctld.pid", "munge/pid")
        for path in (path for name in names for path in self.folder.glob(name)):
            with contextlib.suppress(psutil.Error, ValueError):
                process = psutil.Process(int(path.read_text()))
                process.terminate()
                deadline = time.monotonic() + 5
                while process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
                    time.sleep(0.05)
                process.kill()
        for process in self._processes():
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)

    def _processes(self):
        """Everything that belongs to this cluster: daemons, step daemons, jobs."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get("SLURM_CONF") == str(self.conf) and process.pid != os.getpid():
                    yield process

    def _start(self, *command):
        subprocess.run(command, env={**os.environ, **self.environment}, check=True, capture_output=True)

    def _write(self):
        for name in ("state", "spool", "log", "munge"):
            (self.folder / name).mkdir(parents=True)
        key = self.folder / "munge/key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        devices = [f"NodeName=n[1-{self.nodes}] Name=gpu File=/dev/{d}\n" for d in DEVICES[: self.gpus]]
        (self.folder / "gres.conf").write_text("".join(devices))
        version = self.ask("slurmd", "--version").split()[-1]
        new = tuple(int(part) for part in version.split(".")[:2]) >= (23, 11)  # chooses a plug-in, which needs systemd
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=disabled\n" if new else "# none\n")
        self.conf.write_text(
            LINES.format(
                host=socket.gethostname().split(".")[0],
                port=CONTROLLER_PORT,
                user=getpass.getuser(),
                folder=self.folder,
                nodes=self.nodes,
                first=NODE_PORT,
                last=NODE_PORT + self.nodes - 1,
                cpus=self.cpus,
                gpus=self.gpus,
            )
        )


MUNGE = {"key-file": "key", "socket": "sock", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
