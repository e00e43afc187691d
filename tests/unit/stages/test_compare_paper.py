from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from ldae.errors import UserError
from ldae.report.comparison import COMPARED
from ldae.stages.compare_paper import Settings, compare_paper, known_causes, read_reported
from ldae.stages.show_headline import show_headline


@pytest.fixture
def paper_settings(project: Path) -> dict[str, Any]:
    config = yaml.safe_load((project / "config/config.yaml").read_text())
    return {name: config[name] for name in Settings.model_fields}


@pytest.fixture
def results(tmp_path: Path) -> dict[str, Path]:
    reconstruction = tmp_path / "reconstruction.csv"
    reconstruction.write_text(
        "model,start,steps,ssim,ssim_low,ssim_high,lpips,mse,mse_low,mse_high,not_computed\n"
        "autoencoder,bottleneck,0,0.93,0.92,0.94,,0.004,0.003,0.005,lpips: no weights\n"
        "ldae,encoded,10,0.90,0.89,0.91,,0.004,0.003,0.005,lpips: no weights\n"
        "ldae,encoded,50,0.962,0.95,0.97,,0.0011,0.0008,0.0014,lpips: no weights\n"
        "ldae,semantic,50,0.95,0.94,0.96,,0.002,0.001,0.003,lpips: no weights\n"
    )
    downstream = tmp_path / "downstream.csv"
    downstream.write_text(
        "encoder,task,accuracy,accuracy_low,accuracy_high,recall,recall_low,recall_high,mae,n_test\n"
        "ldae,ad_vs_cn,0.8,0.7,0.9,0.5,0.4,0.6,,20\n"
        "ldae,age,,,,,,,4.0,20\n"
    )
    return {"reconstruction": reconstruction, "downstream": downstream}


def compared(results: dict[str, Path], project: Path, settings: dict[str, Any]) -> pd.DataFrame:
    table = results["reconstruction"].parent / "paper.csv"
    compare_paper(
        paper=project / "config/paper.csv",
        table=table,
        settings=Settings.model_validate(settings),
        **results,
    )
    return pd.read_csv(table, dtype={"paper": str}).set_index(["table", "row", "metric"])


def test_every_number_of_the_paper_appears_with_a_verdict(results, project, paper_settings):
    table = compared(results, project, paper_settings)
    reported = pd.read_csv(project / "config/paper.csv", dtype=str)
    assert len(table) == len(reported)
    assert table["paper"].tolist() == reported["paper"].tolist()
    assert [*table.index.names, *table.columns] == COMPARED
    assert set(table["verdict"]) == {"inside", "better", "worse", "not computed"}
    assert table["this_run"].isna().equals(table["verdict"] == "not computed")
    assert table.loc[table["this_run"].isna(), "cause"].notna().all()


@pytest.mark.parametrize(
    ("key", "verdict", "cause"),
    [
        (("reconstruction", "ldae/encoded/50", "ssim"), "inside", "not clamped"),
        (("reconstruction", "ldae/encoded/50", "mse"), "inside", "affine registration"),
        (("reconstruction", "ldae/encoded/10", "ssim"), "worse", "UNet"),
        (("reconstruction", "ldae/semantic/50", "mse"), "better", "posterior means"),
        (("reconstruction", "ldae/encoded/50", "lpips"), "not computed", "no weights"),
        (("reconstruction", "ldae/encoded/100", "ssim"), "not computed", "10, 50 steps only"),
        (("models", "dae/encoded/100", "ssim"), "not computed", "DAE is not evaluated"),
        (("interpolation", "ldae/24", "mse"), "not computed", "drawn for one subject"),
        (("downstream", "ldae/ad_vs_cn", "recall"), "worse", "positive class AD"),
        (("downstream", "ldae/ad_vs_cn", "accuracy"), "inside", "split by subject"),
        (("downstream", "ldae/ad_vs_cn", "roc_auc"), "not computed", "roc_auc is not measured"),
        (("downstream", "ldae/age", "mae"), "better", "split by subject"),
        (("downstream", "dae/age", "mae"), "not computed", "DAE is not evaluated"),
    ],
)
def test_verdict_and_cause(results, project, paper_settings, key, verdict, cause):
    row = compared(results, project, paper_settings).loc[key]
    assert row["verdict"] == verdict
    assert cause in row["cause"]


def test_causes_name_only_what_differs(project, paper_settings):
    paper = known_causes(Settings.model_validate(paper_settings))
    brain = "brain from a template instead of by antspynet"
    latents = "latents are posterior means instead of one draw kept"
    assert paper["reconstruction"] == [
        brain,
        "affine registration instead of syn",
        latents,
        "UNet down-sampling of 2×2×2 instead of 1×2×2",
        "predicted latent not clamped instead of clamped to [-1, 1]",
    ]
    assert paper["reconstruction.ssim"] == []
    assert paper["reconstruction.lpips"] == ["LPIPS over all slices instead of a random half"]
    assert not any("clamped" in cause for cause in paper["downstream"])
    demo = yaml.safe_load((project / "config/demo.yaml").read_text())
    paper_settings["cohort"] |= demo["cohort"]
    paper_settings["preprocessing"] |= {"grid": demo["preprocessing"]["grid"]}
    paper_settings["preprocessing"]["registration"]["transform"] = "syn"
    paper_settings["ldm"]["network"]["downsample"] = [1, 2, 2]
    paper_settings["sampling"]["clip"] = 1.0
    paper_settings["metrics"]["ssim_window"] = 7
    small = known_causes(Settings.model_validate(paper_settings))
    assert small["reconstruction"] == [
        "synthetic cohort instead of ADNI",
        "volumes of 24×32×24 at 6.5 mm instead of 128×160×128 at 1.5 mm",
        brain,
        latents,
    ]
    assert small["models.ssim"] == ["SSIM window of 7 voxels instead of 3"]
    assert any("sorted labels" in cause for cause in small["downstream.f1"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("table,row,metric,paper\n", "expected the columns"),
        ("table,row,metric,paper,note\nspeed,ldae,ssim,0.9,\n", "unknown table 'speed'"),
    ],
)
def test_a_wrong_paper_table_is_said(tmp_path, text, message):
    path = tmp_path / "paper.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_reported(path)


def test_twin_rows_are_refused(results, project, paper_settings):
    table = results["reconstruction"]
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, lines[-1]]) + "\n")
    with pytest.raises(UserError, match="2 rows for ldae/semantic/50"):
        compared(results, project, paper_settings)


def test_show_headline_prints_table_and_place(results, project, paper_settings, capsys):
    compared(results, project, paper_settings)
    representation = results["reconstruction"].with_name("representation.csv")
    representation.write_text(
        "encoder,variance_per_dim,effective_rank,wrong_subject_margin\nldae,1e-6,1.8,0.1\n"
    )
    show_headline(
        table=results["reconstruction"].with_name("paper.csv"),
        representation=representation,
        report=Path("r/index.html"),
    )
    shown = capsys.readouterr().out
    assert "LDAE, encoded z_T, T = 50" in shown
    assert "0.962 [0.950, 0.970]" in shown
    assert "T = 10" not in shown
    assert "ldae: y_sem has collapsed" in shown
    assert shown.rstrip().endswith("Results page: r/index.html")
