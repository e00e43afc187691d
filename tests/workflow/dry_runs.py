"""Many dry runs in one process: a call of Snakemake's command line for each, without the start-up.

Run by `Workflow.dry_runs`: reads `{"words": [...], "configurations": {name: configuration}}` from
standard input and writes `{name: {"jobs": [...], "refused": text or null}}` to standard output.

Each dry run is a fork that calls Snakemake's own `main` with the words a user would type. What does
not depend on the configuration is done once, before: imports, the parsing of the rules' files
(evaluating them is each fork's), and the start of `ldae check`, which runs within the fork.
"""

import contextlib
import gc
import json
import os
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from snakemake import cli, workflow
from snakemake.dag import DAG

from ldae.config import Config
from ldae.errors import UserError
from ldae.settings import load_settings
from ldae.stages.check import check

PARSED: dict[str, tuple[Any, dict[int, int]]] = {}
parse, run, stats = workflow.parse, subprocess.run, DAG.stats


def parse_once(snakefile: Any, *given: Any, linemap: dict[int, int], **options: Any) -> Any:
    """What Snakemake makes of a file of rules, which no configuration changes."""
    place = snakefile.get_path_or_uri(secret_free=True)
    if place not in PARSED:
        PARSED[place] = parse(snakefile, *given, linemap=linemap, **options), linemap
    parsed, lines = PARSED[place]
    linemap.update(lines)
    return parsed


def check_here(command: Any, **options: Any) -> Any:
    """`ldae check` in this process; any other program as ever."""
    if command[:2] != ["ldae", "check"]:
        return run(command, **options)
    given = command[command.index("--settings") + 1]
    try:
        check(settings=load_settings(Config, given))
    except UserError as fault:
        return subprocess.CompletedProcess(command, 1, "", f"ldae check: {fault}")
    return subprocess.CompletedProcess(command, 0, "", "")


def name_of(job: Any) -> str:
    """`rule:wildcards`; the buckets of scans are one."""
    values = [value for name, value in job.wildcards_dict.items() if name != "bucket"]
    return f"{job.rule.name}:{'/'.join(values)}".removesuffix(":")


def planned_with(words: list[str], configuration: dict[str, Any]) -> dict[str, Any]:
    """The jobs of one dry run, or why it was refused."""
    jobs: set[str] = set()

    def remember(dag: DAG) -> Any:
        jobs.update(map(name_of, dag.needrun_jobs()))
        return stats(dag)

    DAG.stats = remember
    with tempfile.TemporaryDirectory() as folder:
        said, path = Path(folder, "said"), Path(folder, "configuration.json")
        path.write_text(json.dumps(configuration))
        with said.open("w") as output, _printing_to(output.fileno()):
            try:
                cli.main([*words, "--configfile", str(path)])
                status: Any = 0
            except SystemExit as left:
                status = left.code
        text = said.read_text()
    if status in (0, None):
        return {"jobs": sorted(jobs), "refused": None}
    return {"jobs": [], "refused": f"{text}{status}"}


@contextlib.contextmanager
def _printing_to(descriptor: int) -> Any:
    kept = [os.dup(1), os.dup(2)]
    try:
        for number in (1, 2):
            os.dup2(descriptor, number)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, before in zip((1, 2), kept, strict=True):
            os.dup2(before, number)
            os.close(before)


def forked(words: list[str], configuration: dict[str, Any]) -> dict[str, Any]:
    """`planned_with` in a process of its own, which Snakemake may leave as it likes."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        status = 1
        try:
            with open(writing, "w") as pipe:
                json.dump(planned_with(words, configuration), pipe)
            status = 0
        finally:
            if status:
                traceback.print_exc()
            os._exit(status)
    os.close(writing)
    with open(reading) as pipe:
        said = pipe.read()
    os.wait()
    answer: dict[str, Any] = json.loads(said)
    return answer


def main() -> None:
    given = json.load(sys.stdin)
    words, configurations = given["words"], given["configurations"]
    workflow.parse, subprocess.run = parse_once, check_here
    planned_with(words, next(iter(configurations.values())))  # imports, and the rules' files
    gc.collect()
    gc.freeze()
    answers = {name: forked(words, each) for name, each in configurations.items()}
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
