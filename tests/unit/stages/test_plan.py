import re
from pathlib import Path

import pytest

from ldae.config import Config, StageResources
from ldae.errors import UserError
from ldae.planning.forecast import Machine, forecast
from ldae.planning.outline import OUTLINE
from ldae.planning.stage import Stage
from ldae.planning.text import TRAININGS, too_long
from ldae.settings import load_settings
from ldae.stages.plan import Settings, plan


def settings(project: Path, *others: str) -> Settings:
    return load_settings(Settings, str(project / "config/config.yaml"), *others)


def rows(said: str, first: str) -> dict[str, list[str]]:
    """The table whose first column has the heading `first`, by that column."""
    table = next(part for part in said.split("\n\n") if part.startswith(f"{first} "))
    return {line.split()[0]: re.split(r" {2,}", line.strip()) for line in table.splitlines()[1:]}


def number(cell: str) -> float:
    return float(cell.replace(",", ""))


def test_the_paper_is_planned_from_its_settings(project: Path, capsys) -> None:
    plan(settings=settings(project), scans=1000, gpus=1, cores=16)
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 120
    assert "1,000 scans of 128 x 160 x 128 voxels, 850 of them to train on, 100 to test on" in said
    assert "On 1 GPU and 16 cores" in said
    trainings = rows(said, "training")
    assert trainings["ldm"][1:4] == ["486,927,363", "486,927,363", "64"]
    assert trainings["ldae"][2] == "431,999,844"
    beside, paper = (
        dict(zip(TRAININGS, trainings[name], strict=True)) for name in ("ldae-volume", "ldae")
    )
    assert beside["samples"] == paper["samples"]
    assert number(beside["GPU GiB"]) < 0.6 * number(paper["GPU GiB"])
    assert number(beside["TFLOP"]) < 0.75 * number(paper["TFLOP"])
    autoencoder = dict(zip(TRAININGS, trainings["autoencoder"], strict=True))
    assert 20 < number(autoencoder["GPU GiB"]) < 24
    assert number(autoencoder["recomputing"]) < 0.5 * number(autoencoder["GPU GiB"])
    assert autoencoder["samples"] == "85,000"
    stages = rows(said, "stage")
    assert [*stages] == [*OUTLINE, "all"]
    hours = number(autoencoder["TFLOP"]) * 85_000 / 100 / 3600
    assert number(stages["autoencoder"][2]) == pytest.approx(hours, abs=0.06)
    assert all(stages[name][-1] == "assumed" for name in OUTLINE)
    assert stages["preprocess"][2:4] == ["-", "4.0"]  # GPU and core hours
    assert "Volumes unpacked for training take at most 9.77 GiB" in said


def test_only_the_baselines_asked_for_are_planned(project: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "some.yaml").write_text("baselines: [supervised]")
    demo = str(project / "config/demo.yaml")
    plan(settings=settings(project, demo, str(tmp_path / "some.yaml")), scans=1000)
    planned = [*rows(capsys.readouterr().out, "training")]
    assert planned == ["autoencoder", "ldm", "ldae", "supervised-diagnosis", "supervised-age"]


def test_jobs_too_long_for_their_resources_are_named() -> None:
    asked = StageResources(gpu=0, threads=1, mem_mb=1000, runtime=60)
    stages = [
        Stage("preprocess", "", jobs=10, resources=asked, seconds=10 * 3590),
        Stage("probes", "", jobs=1, resources=asked, seconds=3 * 86400),
    ]
    assert too_long(forecast(stages, Machine(gpus=0, cores=1))) == [
        "probes: a job takes about 3.0 days, and on a cluster may take 1 h 00 min "
        "(resources: runtime)"
    ]


def test_a_configuration_or_a_run_is_needed() -> None:
    with pytest.raises(UserError, match=r"give --settings, .* or --run"):
        plan()


def test_its_settings_are_a_whole_configuration() -> None:
    assert Settings.model_fields.keys() == Config.model_fields.keys()


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ({"scans": 0}, "--scans 0: should be 1 or more"),
        ({"gpus": -1}, "--gpus -1: should be 0 or more"),
        ({"cores": 0}, "--cores 0: should be 1 or more"),
        ({"tflops": 0.0}, "--tflops 0: should be more than 0"),
    ],
)
def test_numbers_without_sense_are_refused(given: dict[str, float], refused: str) -> None:
    with pytest.raises(UserError, match=refused):
        plan(**given)
