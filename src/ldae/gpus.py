"""Which GPUs there are for this process, found without touching one."""

import logging
import os
import re
import shutil
import subprocess

VISIBLE = "CUDA_VISIBLE_DEVICES"
GIVEN = os.environ.get(VISIBLE)  # by the user or the scheduler, before a lease changes it
LISTED = re.compile(r"^(GPU|\s+MIG) .*\(UUID: ([^)]+)\)", re.MULTILINE)  # by `nvidia-smi -L`


def list_gpus() -> list[str]:
    """UUIDs of the GPUs that may be used; of their slices where they are partitioned (MIG).

    Those of the machine (`nvidia-smi -L`), of which `CUDA_VISIBLE_DEVICES` picks some as CUDA does;
    numbers are always those of nvidia-smi. `LDAE_GPUS` names others in their place, for tests.
    """
    machine = _on_this_machine()
    if GIVEN is None:
        return [name for slices in machine.values() for name in slices]
    chosen: list[str] = []
    for entry in GIVEN.split(","):
        meant = _meant(entry.strip(), machine)
        if not meant:  # CUDA, too, sees none of those behind one that it does not know
            break
        chosen += meant
    return list(dict.fromkeys(chosen))


def source_of_gpus() -> str:
    """Where `list_gpus` has them from, for messages."""
    return "on this machine" if GIVEN is None else f"of {VISIBLE}={GIVEN}"


def _on_this_machine() -> dict[str, list[str]]:
    """Every GPU with what can be used of it: itself, or its slices."""
    if "LDAE_GPUS" in os.environ:
        return {name: [name] for name in os.environ["LDAE_GPUS"].split(",") if name}
    program = shutil.which("nvidia-smi")
    if program is None:
        return {}
    done = subprocess.run([program, "-L"], capture_output=True, text=True, check=False)
    if done.returncode:
        logging.warning("nvidia-smi: %s", " ".join((done.stdout + done.stderr).split()))
        return {}
    machine: dict[str, list[str]] = {}
    for kind, uuid in LISTED.findall(done.stdout):
        if kind == "GPU":
            machine[uuid] = []
        else:
            machine[next(reversed(machine))].append(uuid)
    return {gpu: slices or [gpu] for gpu, slices in machine.items()}


def _meant(entry: str, machine: dict[str, list[str]]) -> list[str]:
    """What an entry of `CUDA_VISIBLE_DEVICES` stands for: a number, a UUID, or how one begins."""
    if not machine:  # no nvidia-smi: CUDA must know
        return [entry] if re.fullmatch(r"\d+|(GPU|MIG)-.+", entry) else []
    if entry.isdecimal():
        return list(machine.values())[int(entry)] if int(entry) < len(machine) else []
    known = {name: [name] for slices in machine.values() for name in slices} | machine
    alike = [name for name in known if entry and name.startswith(entry)]
    return known[entry] if entry in known else known[alike[0]] if alike else []
