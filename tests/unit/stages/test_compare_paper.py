from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pytest
import yaml

from ldae.errors import UserError
from ldae.report.comparison import COMPARED, Number, Verdict
from ldae.report.deviations import known_causes
from ldae.stages.compare_paper import Settings, compare_paper, read_reported
from ldae.stages.show_headline import show_headline


@pytest.fixture
def paper_settings(project: Path) -> dict[str, Any]:
    config = yaml.safe_load((project / "config/config.yaml").read_text())
    return {name: config[name] for name in Settings.model_fields}


@pytest.fixture
def results(tmp_path: Path) -> dict[str, Path]:
    tables = {
        "reconstruction": (
            "model,start,steps,ssim,ssim_low,ssim_high,lpips,mse,mse_low,mse_high,not_computed\n"
            "autoencoder,bottleneck,0,0.93,0.92,0.94,,0.004,0.003,0.005,lpips: no weights\n"
            "ldae,encoded,10,0.90,0.89,0.91,,0.004,0.003,0.005,lpips: no weights\n"
            "ldae,encoded,50,0.962,0.95,0.97,,0.0011,0.0008,0.0014,lpips: no weights\n"
            "ldae,semantic,50,0.95,0.94,0.96,,0.002,0.001,0.003,lpips: no weights\n"
        ),
        "models": (
            "model,start,steps,latent_dim,ssim,ssim_low,ssim_high,lpips,not_computed\n"
            "ldae,encoded,50,16128,0.962,0.95,0.97,,lpips: no weights\n"
            "autoencoder,bottleneck,0,15360,0.93,0.92,0.94,,lpips: no weights\n"
        ),
        "downstream": (
            "encoder,task,accuracy,accuracy_low,accuracy_high,recall,recall_low,recall_high,"
            "roc_auc,roc_auc_low,roc_auc_high,mae\n"
            "ldae,ad_vs_cn,0.99,0.98,1.0,0.99,0.98,1.0,1,1,1,\n"
            "ldae,ad_vs_cn_as_paper,0.8,0.7,0.9,0.5,0.4,0.6,1,1,1,\n"
            "ldae,age,,,,,,,,,,9.0\n"
            "ldae,age_as_paper,,,,,,,,,,4.0\n"
        ),
        "interpolation": (
            "method,gap_months,n_triplets,ssim,ssim_decoded,ssim_decoded_low,ssim_decoded_high\n"
            "ldae,24,9,0.90,0.95,0.94,0.96\n"
            "nearest,24,9,0.99,0.99,0.98,1.0\n"
        ),
        "throughput": (
            "model,operation,steps,volumes_per_second,ratio_to_dae,not_computed\n"
            "ldae,encode,0,5,1,\n"
            "ldae,reconstruct,10,2,30,\n"
            "ldae,reconstruct,50,0.5,25,\n"
        ),
    }
    for name, text in tables.items():
        (tmp_path / f"{name}.csv").write_text(text)
    return {name: tmp_path / f"{name}.csv" for name in tables}


def compared(results: dict[str, Path], project: Path, settings: dict[str, Any]) -> pd.DataFrame:
    table = results["reconstruction"].parent / "paper.csv"
    compare_paper(
        paper=project / "config/paper.csv",
        tables=list(results.values()),
        table=table,
        settings=Settings.model_validate(settings),
    )
    return pd.read_csv(table, dtype={"paper": str}).set_index(["table", "row", "metric"])


def test_every_number_of_the_paper_appears_with_a_verdict(results, project, paper_settings):
    table = compared(results, project, paper_settings)
    reported = pd.read_csv(project / "config/paper.csv", dtype=str)
    assert len(table) == len(reported)
    assert table["paper"].tolist() == reported["paper"].tolist()
    assert [*table.index.names, *table.columns] == COMPARED
    assert set(table["verdict"]) == set(get_args(Verdict))
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
        (("models", "ldae/encoded", "latent_dim"), "counted", "all channels of latents counted"),
        (("models", "ldae/encoded", "ssim"), "inside", "posterior means"),
        (("models", "dae/encoded", "ssim"), "not computed", "DAE is not evaluated"),
        (("interpolation", "ldae/24", "ssim_decoded"), "inside", "first 200"),
        (("interpolation", "ldae/24", "mse_decoded"), "not computed", "mse_decoded is not"),
        (("interpolation", "ldae/6", "mse_decoded"), "not computed", "no test subject of this"),
        (("throughput", "ldae/reconstruct", "ratio_to_dae"), "better", "in 100 steps"),
        (("downstream", "ldae/ad_vs_cn", "recall"), "worse", "with CN the positive class"),
        (("downstream", "ldae/ad_vs_cn", "accuracy"), "inside", "as in the paper's code"),
        (("downstream", "ldae/ad_vs_cn", "roc_auc"), "undecided", "as in the paper's code"),
        (("downstream", "ldae/ad_vs_cn", "f1"), "not computed", "f1 is not measured"),
        (("downstream", "ldae/age", "mae"), "better", "as in the paper's code"),
        (("downstream", "dae/age", "mae"), "not computed", "DAE is not evaluated"),
    ],
)
def test_verdict_and_cause(results, project, paper_settings, key, verdict, cause):
    row = compared(results, project, paper_settings).loc[key]
    assert row["verdict"] == verdict
    assert cause in row["cause"]


@pytest.mark.parametrize(
    ("key", "cause"),
    [
        (("models", "dae/encoded", "ssim"), "DAE was not run: it is not among the `baselines`"),
        (("models", "lddim/encoded", "mse"), "LDDIM was not run"),
        (("downstream", "supervised/age", "mae"), "Supervised encoder was not run"),
    ],
)
def test_what_the_run_was_told_to_do_without(results, project, paper_settings, key, cause):
    table = compared(results, project, paper_settings | {"baselines": ["ldae-volume"]})
    assert cause in table.loc[key, "cause"]


def test_the_speed_is_that_of_the_most_steps(results, project, paper_settings):
    table = compared(results, project, paper_settings)
    assert table.loc[("throughput", "ldae/reconstruct", "ratio_to_dae"), "this_run"] == 25


def test_a_missing_table_is_said(results, project, paper_settings):
    del results["throughput"]
    row = compared(results, project, paper_settings).iloc[-1]
    assert row["cause"] == "this run has no table throughput"
    with pytest.raises(UserError, match=r"extra.csv: expected reconstruction, models, down"):
        compared(results | {"extra": Path("extra.csv")}, project, paper_settings)


def test_every_number_that_the_paper_reports_is_listed(project):
    """As counted in its tables: 9 reconstructions and 3 models by 3 scores, probes by 7, ..."""
    reported = read_reported(project / "config/paper.csv")
    counts = reported["table"].value_counts().to_dict()
    expected = {"reconstruction": 9 * 3, "models": 3 * (1 + 3), "downstream": 3 * 7}
    assert counts == expected | {"interpolation": 2 * 2, "throughput": 1}
    assert not reported.duplicated(["table", "row", "metric"]).any()


def causes_of(settings: dict[str, Any], *number: str) -> list[str]:
    return known_causes(Settings.model_validate(settings))(Number(*number))


def test_no_cause_holds_what_separates_causes(project, paper_settings):
    for row in read_reported(project / "config/paper.csv").to_dict("records"):
        number = (row["table"], row["row"], row["metric"])
        assert not any("; " in cause for cause in causes_of(paper_settings, *number))


def test_causes_name_only_what_differs(project, paper_settings):
    brain = "brain from a template instead of by antspynet"
    latents = "latents are posterior means instead of one draw kept"
    encoded = ("reconstruction", "ldae/encoded/100", "ssim")
    assert causes_of(paper_settings, *encoded) == [
        brain,
        "affine registration instead of syn",
        latents,
        "UNet down-sampling of 2×2×2 instead of 1×2×2",
        "predicted latent not clamped instead of clamped to [-1, 1]",
    ]
    assert causes_of(paper_settings, "reconstruction", "autoencoder/bottleneck/0", "mse") == [
        brain,
        "affine registration instead of syn",
    ]
    assert causes_of(paper_settings, *encoded[:2], "lpips")[-1].startswith("LPIPS over all")
    size = causes_of(paper_settings, "models", "lddim/encoded", "latent_dim")
    assert size == ["all channels of latents counted"]
    age = causes_of(paper_settings, "downstream", "ldae/age", "mae")
    assert not any("clamped" in cause for cause in age)
    demo = yaml.safe_load((project / "config/demo.yaml").read_text())
    paper_settings["cohort"] |= demo["cohort"]
    paper_settings["preprocessing"] |= {"grid": demo["preprocessing"]["grid"]}
    paper_settings["preprocessing"]["registration"]["transform"] = "syn"
    paper_settings["ldm"]["network"]["downsample"] = [1, 2, 2]
    paper_settings["sampling"]["clip"] = 1.0
    paper_settings["metrics"]["ssim_window"] = 7
    paper_settings["reconstruction"] = {"steps": [10, 50], "control_steps": 50, "dae_steps": 10}
    assert causes_of(paper_settings, *encoded) == [
        "synthetic cohort instead of ADNI",
        "volumes of 24×32×24 at 6.5 mm instead of 128×160×128 at 1.5 mm",
        brain,
        latents,
        "SSIM window of 7 voxels instead of 3",
    ]
    for name, steps in (("ldae", 50), ("lddim", 50), ("dae", 10)):
        model = causes_of(paper_settings, "models", f"{name}/encoded", "mse")
        assert f"T = {steps} instead of 100" in model
    paper_settings["ldae"]["semantic_encoder"] |= {"initialise": "random", "embedding_dim": 64}
    changed = causes_of(paper_settings, "downstream", "ldae/age", "mae")
    assert "y_sem of 64 values instead of 768" in changed
    assert "encoder starts from random weights, not from ImageNet's" in changed


@pytest.mark.parametrize(
    ("section", "change", "number", "cause"),
    [
        (
            "supervised_diagnosis",
            {"semantic_encoder": {"widths": [48], "depths": [1]}},
            ("downstream", "supervised/ad_vs_cn", "recall"),
            "encoder of 48 channels instead of 96-192-384-768",
        ),
        (
            "supervised_age",
            {"watch": "loss"},
            ("downstream", "supervised/age", "mae"),
            "supervised encoder judged by its loss in validation instead of mae",
        ),
        (
            "supervised_age",
            {"training": {"budget": {"amount": 4000, "unit": "samples"}}},
            ("downstream", "supervised/age", "rmse"),
            "supervised encoder trained for 4,000 samples at a rate of 5e-05 instead of 50 epochs "
            "at 5e-05",
        ),
        (
            "ldae",
            {"training": {"budget": {"amount": 9, "unit": "epochs"}, "learning_rate": 0.001}},
            ("reconstruction", "ldae/semantic/50", "ssim"),
            "LDAE trained for 9 epochs at a rate of 0.001 instead of 400 epochs at 2.5e-05",
        ),
        (
            "ldm",
            {"training": {"budget": {"amount": 9, "unit": "epochs"}}},
            ("models", "lddim/encoded", "mse"),
            "LDM trained for 9 epochs at a rate of 2.5e-05 instead of 500 epochs at 2.5e-05",
        ),
        (
            "interpolation",
            {"steps": 20},
            ("interpolation", "ldae/6", "ssim_decoded"),
            "interpolated in T = 20 steps instead of 100",
        ),
    ],
)
def test_networks_budgets_and_steps_are_causes_of_their_own_rows(
    paper_settings, section, change, number, cause
):
    assert cause not in causes_of(paper_settings, *number)
    for name, value in change.items():
        held = paper_settings[section][name]
        paper_settings[section][name] = held | value if isinstance(held, dict) else value
    assert cause in causes_of(paper_settings, *number)
    assert cause not in causes_of(paper_settings, "models", "dae/encoded", "ssim")


def test_cn_is_the_positive_class_of_supervised_diagnoses_and_of_no_age(paper_settings):
    said = "scored as in the paper's code, with CN the positive class"
    for model in ("ldae", "dae", "supervised"):
        assert said in causes_of(paper_settings, "downstream", f"{model}/ad_vs_cn", "recall")
        assert said not in causes_of(paper_settings, "downstream", f"{model}/age", "mae")


def test_a_gap_left_out_of_the_settings_is_their_doing(results, project, paper_settings):
    paper_settings["interpolation"]["gaps"] = [12, 24]
    table = compared(results, project, paper_settings)
    cause = table.loc[("interpolation", "ldae/6", "ssim_decoded"), "cause"]
    assert cause == "6 months are not among the `interpolation.gaps` (12, 24)"


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
        "encoder,variance_per_dim,effective_rank,wrong_subject_margin,collapsed\n"
        "ldae,1e-6,1.8,0.1,True\n"
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
    assert "ldae: its code has collapsed" in shown
    assert shown.rstrip().endswith("Results page: r/index.html")
