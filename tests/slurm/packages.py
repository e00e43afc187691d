"""Debian's Slurm in a folder of its own: nothing is installed, and no rights are needed."""

import re
import shutil
import subprocess
from pathlib import Path

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
PROGRAMS = ("slurmctld", "slurmd", "slurmstepd", "munged", "sbatch", "srun")


class NoSlurmError(Exception):
    """Why there is no Slurm to test with."""


def unpack_slurm(folder: Path) -> Path:
    """Download the packages and those they need, checked by apt, and unpack them into `folder`.

    Returns:
        A root with `usr/bin`, `usr/sbin` and `usr/lib`.
    """
    missing = [name for name in ("apt-get", "dpkg-deb") if shutil.which(name) is None]
    if missing:
        raise NoSlurmError(f"no {missing[0]} on this machine to get Slurm with")
    lists, root = folder / "lists", folder / "root"
    for new in (lists / "partial", folder / "cache/archives/partial", folder / "deb", root):
        new.mkdir(parents=True)
    state = {"State::lists": lists, "Cache": folder / "cache"}
    options = [f"-oDir::{key}={place}" for key, place in state.items()]
    apt = ["apt-get", *options, "-oAPT::Sandbox::User=root", "-oDebug::NoLocking=1"]
    _call(*apt, "-oAcquire::Retries=2", "update", where=folder)
    install = [*apt, "--simulate", "--no-install-recommends", "install", *PACKAGES]
    lacking = re.findall(r"^Inst (\S+)", _call(*install, where=folder), re.MULTILINE)
    _call(*apt, "download", *{*PACKAGES, *lacking}, where=folder / "deb")
    for package in (folder / "deb").glob("*.deb"):
        _call("dpkg-deb", "--extract", str(package), str(root), where=folder)
    for program in (root / "usr/sbin").glob("*-wlm"):  # `alternatives` that dpkg would set
        program.with_name(program.name.removesuffix("-wlm")).symlink_to(program.name)
    lost = [name for name in PROGRAMS if not any(root.glob(f"usr/*bin/{name}"))]
    if lost:
        raise NoSlurmError(f"Debian's packages hold no {lost[0]}")
    return root


def _call(*command: str, where: Path) -> str:
    done = subprocess.run(
        command,
        cwd=where,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    faults = re.findall(r"^(?:E|Err|W): .*", done.stdout, re.MULTILINE)
    if done.returncode:
        reason = (faults or done.stdout.splitlines() or ["it said nothing"])[-1]
        raise NoSlurmError(f"`{command[0]} … {command[-1]}` failed, without a network? {reason}")
    return done.stdout
