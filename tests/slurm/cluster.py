"""A real Slurm of one node: its daemons, and what talks to them."""

import os
import pwd
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from .packages import NoSlurmError

GPUS = 4
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
PluginDir={plugins}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
GresTypes=gpu
ReturnToService=2
KillWait=2
MinJobAge=3600
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
JobRequeue=1
SlurmdParameters=config_overrides
NodeName=DEFAULT CPUs={cpus} RealMemory={memory} Gres=gpu:a100:{gpus} State=UNKNOWN
NodeName={host} NodeAddr=127.0.0.1
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=ALL MaxTime=INFINITE State=UP
"""


class Cluster:
    """One node with four stand-ins for GPUs, in a folder, for as long as a `with` block lasts."""

    def __init__(self, folder: Path, root: Path, *, cpus: int, memory: int) -> None:
        self.folder = folder
        self.root = root
        self.cpus = cpus
        self.memory = memory
        self.daemons: list[subprocess.Popen[bytes]] = []

    @property
    def environment(self) -> dict[str, str]:
        """Where a user finds Slurm: programs that know their configuration."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
        return own | {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"}

    def __enter__(self) -> "Cluster":
        self._configure()
        try:
            self._start("munged", "--foreground", "--force", *self._munge_options())
            self._wait_for((self.folder / "munge.socket").exists, "munged")
            self._start("slurmctld", "-D")
            stepper = self.root / "usr/sbin/slurmstepd"
            self._start("slurmd", "-D", "-d", str(stepper))
            self._wait_for(lambda: self.call("sinfo", "-h", "-o", "%T").strip() == "idle", "slurmd")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if len(self.daemons) > 1:
            self.call("scancel", "--user", str(os.getuid()))
            until = time.monotonic() + 20
            while self.call("squeue", "-h").strip() and time.monotonic() < until:
                time.sleep(0.2)
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(timeout=15)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def call(self, *command: str) -> str:
        """What one of Slurm's programs prints; nothing when it fails."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=60
        )
        return done.stdout

    def running(self) -> dict[str, str]:
        """Slurm's number of each running job, by the comment in which Snakemake names its rule."""
        rows = self.call("squeue", "-h", "-t", "R", "-o", "%i %k").splitlines()
        return {comment: number for number, comment in (row.split(maxsplit=1) for row in rows)}

    def _configure(self) -> None:
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        devices = [self.folder / f"gpu{index}" for index in range(GPUS)]
        for device in devices:
            device.symlink_to("/dev/null")
        (self.folder / "munge.key").write_bytes(os.urandom(1024))
        (self.folder / "munge.key").chmod(0o600)
        text = CONFIGURATION.format(
            host=socket.gethostname().partition(".")[0],
            ports=_free_ports(2),
            user=_user(),
            folder=self.folder,
            plugins=self._plugins,
            cpus=self.cpus,
            memory=self.memory,
            gpus=GPUS,
        )
        (self.folder / "slurm.conf").write_text(text)
        gpus = f"Name=gpu Type=a100 Flags=nvidia_gpu_env File={self.folder}/gpu[0-{GPUS - 1}]\n"
        (self.folder / "gres.conf").write_text(gpus)
        self._write_programs()

    def _write_programs(self) -> None:
        """Slurm's programs with its environment set: the plugin takes SLURM_CONF from its jobs."""
        (self.folder / "bin").mkdir()
        settings = " ".join(f"{name}={value}" for name, value in self._settings.items())
        for program in (self.root / "usr/bin").iterdir():
            script = self.folder / "bin" / program.name
            script.write_text(f'#!/bin/sh\n{settings} exec {program} "$@"\n')
            script.chmod(0o755)

    def _munge_options(self) -> list[str]:
        places = {
            "socket": "munge.socket",
            "key-file": "munge.key",
            "pid-file": "munged.pid",
            "log-file": "munged.log",
            "seed-file": "munged.seed",
        }
        return [f"--{option}={self.folder / name}" for option, name in places.items()]

    def _start(self, name: str, *options: str) -> None:
        with (self.folder / f"{name}.out").open("wb") as said:
            program = str(self.root / "usr/sbin" / name)
            self.daemons.append(
                subprocess.Popen(
                    [program, *options],
                    env=os.environ | self._settings,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                )
            )

    def _wait_for(self, ready: Callable[[], bool], name: str) -> None:
        until = time.monotonic() + 60
        while not ready():
            if time.monotonic() > until or self.daemons[-1].poll() is not None:
                said = (self.folder / f"{name}.out").read_text().strip().splitlines()
                raise NoSlurmError(f"{name} does not start here: {' '.join(said[-3:])}")
            time.sleep(0.2)

    @property
    def _settings(self) -> dict[str, str]:
        libraries = f"{self._libraries}:{self._plugins}"
        return {"SLURM_CONF": f"{self.folder}/slurm.conf", "LD_LIBRARY_PATH": libraries}

    @property
    def _libraries(self) -> Path:
        return next((self.root / "usr/lib").glob("*-linux-gnu"))

    @property
    def _plugins(self) -> Path:
        return self._libraries / "slurm-wlm"


def _user() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


def _free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
