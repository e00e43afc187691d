"""What a run has left to do: Snakemake is asked, by a dry run with the run's own configuration."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ldae.errors import UserError
from ldae.runs.start import START, Start

LOG = re.compile(r"> (\S+)\.log 2>&1\s*$", re.MULTILINE)  # at the end of every rule's command


def jobs_left(start: Start) -> list[str]:
    """Names of the jobs that are not done: of their logs below `logs/`, such as `convert/0000`.

    Snakemake may be at work in the folder meanwhile.

    Raises:
        UserError: Snakemake is not there, or cannot plan this run.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    program = shutil.which("snakemake", path=path)
    if program is None:
        raise UserError("the command `snakemake` is not on the PATH: source .venv/bin/activate")
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "configuration.json"
        # As it was given: what the settings make of it (2 becomes 2.0) would pass for a change.
        given = json.loads((start.folder / START).read_text(encoding="utf-8"))["configuration"]
        configuration.write_text(json.dumps(given))
        done = subprocess.run(
            [
                *(program, *start.targets, "--dry-run", "--nolock", "--rerun-incomplete"),
                *("--printshellcmds", "--snakefile", str(start.snakefile)),
                *("--max-checksum-file-size", str(start.max_checksum_file_size)),
                *("--configfile", str(configuration), "--replace-workflow-config"),
            ],
            cwd=start.directory,
            env=os.environ | {"PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    if done.returncode:
        words = " ".join(done.stdout.split())
        raise UserError(f"snakemake cannot say what is left of this run: …{words[-600:]}")
    logs = f"results/{start.configuration.run}/logs/"
    return [log.removeprefix(logs) for log in dict.fromkeys(LOG.findall(done.stdout))]
