import pytest

from ldae.settings import load_settings
from ldae.stages.plan import HEADS, Settings, plan


def test_the_paper_is_planned_from_its_settings(project, capsys) -> None:
    plan(settings=load_settings(Settings, str(project / "config/config.yaml")), scans=1000)
    said = capsys.readouterr().out
    assert "1,000 scans of 128 x 160 x 128 voxels, 850 of them to train on" in said
    rows = {line.split()[0]: line.split() for line in said.splitlines() if line.strip()}
    assert rows["ldm"][1:4] == ["486,927,363", "486,927,363", "64"]
    assert rows["ldae"][2] == "431,999,844"
    beside, paper = (
        {
            head: float(cell.replace(",", ""))
            for head, cell in zip(HEADS[3:], rows[name][3:], strict=True)
        }
        for name in ("ldae-volume", "ldae")
    )
    assert beside["samples"] == paper["samples"]
    assert beside["GPU GiB"] < 0.6 * paper["GPU GiB"]
    assert beside["TFLOP"] < 0.75 * paper["TFLOP"]
    plain, recomputing, tflop, samples, hours = (
        float(cell.replace(",", "")) for cell in rows["autoencoder"][4:]
    )
    assert 20 < plain < 24
    assert recomputing < 0.5 * plain
    assert samples == 850 * 100
    assert hours == pytest.approx(tflop * samples / 100 / 3600, rel=0.01)
    assert "latents 0.114 GiB" in said
    assert "volumes unpacked for training at most 9.77 GiB" in said


def test_only_the_baselines_asked_for_are_planned(project, tmp_path, capsys) -> None:
    (tmp_path / "some.yaml").write_text("baselines: [supervised]")
    files = [str(project / "config/config.yaml"), str(tmp_path / "some.yaml")]
    plan(settings=load_settings(Settings, *files), scans=1000)
    rows = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.strip()]
    planned = rows[2 : rows.index("GPU")]
    assert planned == ["autoencoder", "ldm", "ldae", "supervised-diagnosis", "supervised-age"]
