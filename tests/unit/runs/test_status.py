"""`ldae status` on a run's folder made by hand."""

import fcntl
import json
import os
import time
from pathlib import Path

import pytest

from ldae.planning.outline import OUTLINE
from ldae.stages import status as stage
from ldae.stages.status import status

STEP = "20:00:00 INFO ldae: step 200 of 800 (25 %), loss 0.5, 20.0 samples/s, 1.0 GiB, 0:06:00 left"
BUCKET = "20:00:00 INFO bucket 4000: 12 of 43 scans (28 %), 1.0 s each, 0:00:31 left"


@pytest.fixture
def left(run: Path, monkeypatch) -> list[str]:
    """What Snakemake would say is left; nothing has to be planned, since all has been measured."""
    (run / "cohort").mkdir()
    (run / "cohort/planned.parquet").touch()
    jobs: list[str] = []
    monkeypatch.setattr(stage, "jobs_left", lambda start: jobs)
    monkeypatch.setattr(stage, "stages_of", lambda start: [])
    return jobs


def said(run: Path, capsys) -> list[str]:
    status(run)
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 for line in lines), max(lines, key=len)
    return lines


def test_a_finished_run_is_done(run: Path, finish, left, capsys) -> None:
    for outline in OUTLINE.values():
        finish(outline.groups[0], 10)
    lines = said(run, capsys)
    assert lines[-1] == f"All {len(OUTLINE)} jobs are done."
    assert lines[0].endswith("10 min 00 s ago: nobody works on it.")
    assert all(line.split()[1:4] == ["1", "of", "1"] for line in lines[3:-2])
    assert [line.split()[0] for line in lines[3:-2]] == [*OUTLINE]


def test_a_run_at_work_says_where_it_stands(run: Path, finish, log, left, capsys) -> None:
    finish("preprocess/0000", 60)
    finish("train_ldm", 20)
    log("train_ldae", STEP)
    log("preprocess/4000", BUCKET)
    left += ["train_ldae", "preprocess/4000", "preprocess/8000", "write_report"]
    journal = run / "state/ldae/train.jsonl"
    journal.parent.mkdir(parents=True)
    records = [{"validation_loss": 0.4}, {"validation_loss": 0.3}, {"loss": 0.1}]
    journal.write_text("\n".join(map(json.dumps, records)) + '\n{"validation_l')
    with (run / "run.json").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        lines = said(run, capsys)
    assert lines[0].endswith(": at work.")
    assert "> train_ldae: step 200 of 800, loss 0.5, best validation 0.3" in lines
    assert "> preprocess/4000: scans 12 of 43" in lines
    stages = {line.split("  ")[0]: line.split() for line in lines[3:]}
    assert stages["preprocess"][1:4] == ["1", "of", "3"]
    assert stages["preprocess"][-1] == "running"
    assert " ".join(stages["preprocess"][4:-1]) == "1 min 00 s 1 min 31 s"  # 31 s and another 60 s
    assert stages["ldm"][-1] == "done"
    assert stages["report"][-1] == "waiting"
    # the training at work decides: the third bucket runs beside it
    assert "2 of 6 jobs are done; about 6 min 00 s left on 2 cores" in " ".join(lines)


def test_a_killed_run_says_how_to_go_on(run: Path, finish, log, left, capsys) -> None:
    finish("train_ldm", 20)
    log("train_ldae", STEP)
    left += ["train_ldae"]
    lines = said(run, capsys)
    assert lines[-1].startswith("Call `snakemake` again as before")
    assert any(line.startswith("ldae ") and line.endswith("stopped") for line in lines)


def test_what_may_be_at_work_without_a_workflow_is_said(run: Path, log, left, capsys) -> None:
    """A job of Slurm's, for example, whose Snakemake was killed."""
    path = log("train_ldae", STEP)
    left += ["train_ldae"]
    assert "! train_ldae: wrote to its log" in " ".join(said(run, capsys))
    before = time.time() - 90
    os.utime(path, (before, before))
    assert "wrote to its log" not in " ".join(said(run, capsys))


def test_what_is_done_again_takes_as_long_as_before(run: Path, finish, log, left, capsys) -> None:
    log("train_ldm", STEP)
    finish("train_ldm", 75)
    left += ["train_ldm"]
    (ldm,) = (line.split() for line in said(run, capsys) if line.startswith("ldm "))
    assert ldm[1:] == ["0", "of", "1", "-", "1", "min", "15", "s", "waiting"]


def test_targets_that_were_named_are_said(begin, left, capsys) -> None:
    assert "asked for" not in " ".join(said(begin(targets=["all"]), capsys))
    lines = said(begin(targets=["ldm", "embeddings"]), capsys)
    assert lines[1] == "It was asked for ldm, embeddings alone."


def test_a_failed_job_is_named_with_its_reason(run: Path, log, left, capsys) -> None:
    log("evaluate_probes", "ldae evaluate-probes: predictions.parquet: is damaged")
    left += ["evaluate_probes"]
    lines = " ".join(line.strip() for line in said(run, capsys))
    assert "! evaluate_probes: ldae evaluate-probes: predictions.parquet: is damaged" in lines


def test_what_has_not_been_measured_is_planned(run: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(stage, "jobs_left", lambda start: ["train_ldm", "something/new"])
    lines = said(run, capsys)
    (ldm,) = (line.split() for line in lines if line.startswith("ldm "))
    assert ldm[1:5] == ["0", "of", "1", "-"]
    assert float(ldm[5]) > 0
    assert any(line.startswith("something ") and " ? " in line for line in lines)
    (buckets,) = (line.split() for line in lines if line.startswith("preprocess "))
    assert buckets[1:4] == ["0", "of", "5"]  # as planned, before the download was looked at
