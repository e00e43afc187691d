"""Asking Snakemake, of which a stand-in says what the real one does."""

import json
import stat
from pathlib import Path

import pytest

from ldae.errors import UserError
from ldae.runs import left
from ldae.runs.left import jobs_left
from ldae.runs.start import read_start

SAYS = """\
Job 12: Training the diffusion autoencoder on voxels
Shell command: ldae train-dae --x y > results/demo/logs/train_dae.log 2>&1

Shell command: ldae convert-images --x y > results/demo/logs/convert/4000.log 2>&1
Shell command: ldae convert-images --x y > results/demo/logs/convert/4000.log 2>&1
"""


@pytest.fixture
def snakemake(tmp_path: Path, monkeypatch) -> Path:
    """Notes its words and the configuration it gets, says `says` and ends with `status`."""
    program = tmp_path / "bin/snakemake"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\ncd "$(dirname "$0")"\necho "$@" > words\n'
        'for word in "$@"; do case $word in */configuration.json) cp $word given;; esac; done\n'
        "cat says\nexit $(cat status)\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(left.sys, "executable", str(program.with_name("python")))
    (program.parent / "says").write_text(SAYS)
    (program.parent / "status").write_text("0")
    return program.parent


def test_the_jobs_left_are_known_by_their_logs(begin, snakemake: Path) -> None:
    run = begin(targets=["ldm"])
    assert jobs_left(read_start(run)) == ["train_dae", "convert/4000"]
    words = (snakemake / "words").read_text().split()
    assert words[0] == "ldm"
    assert {"--dry-run", "--nolock", "--rerun-incomplete", "--replace-workflow-config"} <= {*words}


def test_the_configuration_is_handed_over_as_it_was_given(begin, configuration, snakemake) -> None:
    """As the settings write them, whole numbers among floats would pass for edits."""
    given = configuration | {"preprocessing": configuration["preprocessing"] | {"bias": None}}
    given["preprocessing"]["bias"] = configuration["preprocessing"]["bias"] | {"resolution_mm": 4}
    jobs_left(read_start(begin(configuration=given)))
    handed = json.loads((snakemake / "given").read_text())
    assert repr(handed["preprocessing"]["bias"]["resolution_mm"]) == "4"
    assert handed == given


def test_what_snakemake_refuses_is_passed_on(run: Path, snakemake: Path) -> None:
    (snakemake / "says").write_text("Configuration:\n  cohort.download: there is no /data\n")
    (snakemake / "status").write_text("1")
    with pytest.raises(UserError, match=r"cannot say .*cohort\.download: there is no /data"):
        jobs_left(read_start(run))


def test_without_snakemake_it_is_asked_for(run: Path, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(left.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="`snakemake` is not on the PATH"):
        jobs_left(read_start(run))
