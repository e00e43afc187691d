from pathlib import Path

import pandas as pd
import pytest
import torch

from ldae import config
from ldae.stages import measure_throughput as measuring
from ldae.stages.measure_throughput import Settings, measure_throughput

KEYS = ["model", "operation", "steps"]


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock on which every operation of a DAE takes one second, its walks one per step."""

    def run_through(model: object, x: torch.Tensor, steps: int) -> dict[tuple[str, int], float]:
        slow = 1.0 if type(model).__name__ == "VoxelDiffusionAutoencoder" else 0.25
        parts = {(name, 0): slow for name in ("encode", "compress", "decode")}
        walks = {("invert", steps): slow * steps, ("sample", steps): slow * steps}
        whole = sum([*parts.values(), *walks.values()])
        return parts | walks | {("reconstruct", steps): whole}

    monkeypatch.setattr(measuring, "_run_through", run_through)


def measure(run, folder: Path, *names: str, **throughput: int) -> pd.DataFrame:
    wanted = {"batch_size": 2, "repeats": 2, "measured_steps": 3} | throughput
    measure_throughput(
        scans=run.scans,
        derivatives=run.derivatives,
        models=run.models,
        names=list(names),
        steps=[8, 2, 3],
        table=folder / "throughput.csv",
        devices=0,
        threads=1,
        settings=Settings(
            throughput=config.Throughput(**wanted),
        ),
    )
    return pd.read_csv(folder / "throughput.csv")


def test_every_operation_is_measured_for_both_models(run, tmp_path) -> None:
    table = measure(run, tmp_path, "ldae", "dae")
    assert not table.duplicated(KEYS).any()
    assert list(table.columns[:5]) == [*KEYS, "volumes_per_second", "ratio_to_dae"]
    counted = table.groupby(["model", "operation"])["steps"].apply(sorted).to_dict()
    for model in ("ldae", "dae"):
        for operation in ("encode", "compress", "decode"):
            assert counted[model, operation] == [0]
        for operation in ("invert", "sample", "reconstruct"):
            assert counted[model, operation] == [2, 3, 8]
    assert (table["volumes_per_second"] > 0).all()
    assert (table["volumes_per_second_low"] <= table["volumes_per_second"]).all()
    assert (table["volumes_per_second"] <= table["volumes_per_second_high"]).all()
    assert (table.loc[table["model"] == "dae", "ratio_to_dae"] == 1).all()
    assert (table["batch"] == 2).all()
    assert set(table["precision"]) == {"float32"}
    assert set(table["torch"]) == {torch.__version__}
    assert table["device"].notna().all()


def test_what_was_not_run_is_reckoned_from_steps_and_says_so(run, tmp_path, ticking) -> None:
    table = measure(run, tmp_path, "ldae", "dae").set_index(KEYS)
    dae = table.loc["dae"]
    assert dae.loc[("sample", 2), "measured"] == dae.loc[("encode", 0), "measured"] == "whole runs"
    assert dae.loc[("sample", 8), "measured"] == "8 steps, of 3 timed"
    assert dae.loc[("sample", 8), "volumes_per_second"] == pytest.approx(2 / 8, rel=1e-5)
    assert dae.loc[("reconstruct", 3), "volumes_per_second"] == pytest.approx(2 / 9, rel=1e-5)
    assert dae.loc[("reconstruct", 8), "volumes_per_second"] == pytest.approx(2 / 19, rel=1e-5)
    assert table.sort_index().loc["ldae", "ratio_to_dae"].tolist() == pytest.approx(
        [4.0] * len(dae)
    )


def test_the_fewest_steps_are_always_run(run, tmp_path, ticking) -> None:
    table = measure(run, tmp_path, "ldae", measured_steps=1).set_index(KEYS)
    assert table.loc[("ldae", "sample", 2), "measured"] == "whole runs"
    assert table.loc[("ldae", "sample", 3), "measured"] == "3 steps, of 2 timed"


def test_without_a_dae_the_ratio_is_empty_and_says_why(run, tmp_path, ticking) -> None:
    table = measure(run, tmp_path, "ldae")
    assert set(table["model"]) == {"ldae"}
    assert table["ratio_to_dae"].isna().all()
    assert table["not_computed"].str.contains("not in `baselines`").all()
