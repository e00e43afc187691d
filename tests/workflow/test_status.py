"""What a finished run says of itself, and what the plan says of it."""

import json
import re
import subprocess

import pytest

from ldae.planning.known import cohort_of, experience_of
from ldae.planning.outline import OUTLINE, stage_of
from ldae.planning.trainings import plan_trainings
from ldae.runs.jobs import job_times
from ldae.runs.start import is_alive, read_start

from .conftest import Workflow

pytestmark = pytest.mark.slow


def ldae(workflow: Workflow, *words: str) -> str:
    done = subprocess.run(
        ["ldae", *words],
        cwd=workflow.folder,
        env=workflow.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_finished_run_says_so_and_what_a_lost_file_leaves_to_do(finished: Workflow) -> None:
    said = ldae(finished, "status", "results/smoke")
    assert re.search(r"^All \d+ jobs are done\.$", said, re.MULTILINE), said
    assert "nobody works on it" in said
    assert max(map(len, said.splitlines())) <= 80
    page = finished.results / "report/index.html"  # of others Snakemake knows that none is needed
    aside = page.rename(page.with_suffix(".aside"))
    try:
        said = ldae(finished, "status", "results/smoke")
    finally:
        aside.rename(page)
    lines = {line.split()[0]: line.split() for line in said.splitlines() if line}
    assert lines["report"][1:4] == ["1", "of", "3"]
    assert lines["report"][-1] != "done"
    assert lines["ldm"][-1] == "done"
    assert "Call `snakemake` again as before" in said


def test_the_plan_has_every_job_of_the_run(finished: Workflow) -> None:
    start = read_start(finished.results)
    assert is_alive(finished.results) is False
    trainings = plan_trainings(start.configuration, cohort_of(start).train)
    jobs = job_times(finished.results)["group"].map(stage_of).value_counts().to_dict()
    assert jobs == {stage.name: stage.jobs for stage in experience_of(start).stages}
    steps = {
        training.name: json.loads(
            (finished.results / f"models/{training.name}/train.jsonl").read_text().splitlines()[-1]
        )["step"]
        * training.settings.batch_size
        * training.settings.accumulate
        for training in trainings
    }
    of_diagnosis = steps.pop("supervised-diagnosis")  # planned as if no scan were left out
    assert of_diagnosis <= trainings[-2].samples
    planned = {training.name: training.samples for training in trainings}
    assert steps == {name: planned[name] for name in steps}


def test_it_is_planned_as_it_was_measured(finished: Workflow) -> None:
    said = ldae(finished, "plan", "--run", "results/smoke")
    measured = re.findall(r"^(\S+) .* measured$", said, re.MULTILINE)
    assert measured == [*OUTLINE]
    assert "from results/smoke/benchmarks" in said


def test_the_results_page_has_the_plan_beside_what_happened(finished: Workflow) -> None:
    page = (finished.results / "report/index.html").read_text()
    plan = page.partition('id="plan"')[2].partition("</section>")[0]
    assert plan.count("<tr") == 1 + len(OUTLINE) - 1  # a heading, and all stages but the page's own


def test_cohort_stages_say_how_far_they_are(finished: Workflow) -> None:
    for log in ("make_cohort", "index_download", "convert/*", "preprocess/*", "encode_latents"):
        for path in (finished.results / "logs").glob(f"{log}.log"):
            assert re.search(r" of \d+ \w+ \(100 %\), .*, 0:00:00 left$", path.read_text(), re.M), (
                path
            )
