import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from ldae.errors import UserError
from ldae.origin import in_words, made_with
from ldae.settings import fingerprint
from ldae.stages.write_report import Settings, write_report
from ldae.tables import SCANS, write_csv, write_table, write_tsv
from ldae.weights.public import FILES

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
HOSTILE = "<script>alert('x')</script>"
PAPER = (
    "table,row,metric,paper,this_run,low,high,verdict,cause,note\n"
    "reconstruction,ldae/encoded/50,ssim,0.962,0.95,0.94,0.97,inside,synthetic cohort,\n"
    "reconstruction,ldae/encoded/50,lpips,0.076,,,,not computed,lpips: no weights,\n"
    "reconstruction,ldae/encoded/100,ssim,0.962,,,,not computed,50 steps only,\n"
    "downstream,ldae/age,mae,4.16,6.0,5.0,7.0,worse,synthetic cohort,years\n"
)


TABLES = (
    *("paper", "reconstruction", "downstream", "representation", "generation", "throughput"),
    "extra",
)
FIGURES = ("reconstruction", "interpolation", "manipulation", "variation", "generation")


class Reader(HTMLParser):
    """Collects what a browser would fetch, run and name."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.alt_missing = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.append(tag)
        self.addresses += [named[key] or "" for key in ("src", "href", "data") if key in named]
        self.ids += [named["id"] or ""] if "id" in named else []
        self.alt_missing += tag == "img" and not named.get("alt")


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = {
        key: merged(base[key], value) if isinstance(value, dict) and key in base else value
        for key, value in over.items()
    }
    return base | both


@pytest.fixture(scope="session")
def demo_settings(project: Path) -> Settings:
    texts = [(project / f"config/{name}.yaml").read_text() for name in ("config", "demo")]
    config = merged(*map(yaml.safe_load, texts))
    return Settings.model_validate({name: config[name] for name in Settings.model_fields})


def scan_rows() -> pd.DataFrame:
    rows = []
    for subject, diagnosis, split in [
        ("sub-A", "CN", "train"),
        ("sub-B", "AD", "train"),
        ("sub-C", "CN", "validation"),
        ("sub-D", "AD", "test"),
    ]:
        for months in (0, 12):
            session = f"ses-M{months:03d}"
            rows.append(
                dict.fromkeys(SCANS.names)
                | {
                    "participant_id": subject,
                    "session_id": session,
                    "months": months,
                    "age": 70.0 + months / 12,
                    "age_source": HOSTILE,
                    "sex": "F",
                    "diagnosis": diagnosis,
                    "field_strength": 3.0,
                    "manufacturer": "SIEMENS",
                    "image_id": len(rows),
                    "image": "x",
                    "image_sha256": "0",
                    "volume": f"{subject}/{session}/anat/v.nii.gz",
                    "mask": "m",
                    "volume_sha256": "0",
                    "qc_brain_ml": 1400.0,
                    "qc_template_dice": 0.97,
                    "qc_template_correlation": 0.9 + len(rows) / 100,
                    "split": split,
                }
            )
    return pd.DataFrame(rows)


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Any]:
    rows = scan_rows()
    write_table(rows, tmp_path / "scans.parquet", SCANS)
    write_csv(
        pd.DataFrame(
            [
                ("found", None, 10, 8, 4),
                ("t1w", HOSTILE, 1, 0, 0),
                ("t1w", "not_t1w", 1, 0, 0),
                ("t1w", None, 8, 8, 4),
            ],
            columns=["step", "reason", "images", "sessions", "subjects"],
        ),
        tmp_path / "attrition.csv",
    )
    keys = {"participant_id": [], "session_id": [], "reason": []}
    write_tsv(pd.DataFrame(keys), tmp_path / "excluded.tsv")
    (tmp_path / "paper.csv").write_text(PAPER)
    (tmp_path / "reconstruction.csv").write_text(
        "model,start,steps,ssim,ssim_low,ssim_high,lpips,not_computed\n"
        f"{HOSTILE},encoded,50,0.95,0.94,0.97,,lpips: no weights {HOSTILE}\n"
    )
    (tmp_path / "downstream.csv").write_text("encoder,task,mae\nldae,age,6.0\n")
    (tmp_path / "representation.csv").write_text(
        "encoder,variance_per_dim,effective_rank,shuffled_loss_ratio,wrong_subject_margin,"
        "collapsed\nldae,1e-7,1.2,1.0,0.0,True\n"
    )
    (tmp_path / "generation.csv").write_text(
        "model,frechet,features,n,nearest_ratio,nearest_ratio_low,nearest_ratio_high\n"
        "ldm,0.3,mean intensities,32,0.99,0.9,1.1\n"
    )
    (tmp_path / "throughput.csv").write_text(
        "model,operation,steps,volumes_per_second,ratio_to_dae,not_computed\n"
        "ldae,reconstruct,50,2,,ratio_to_dae: no DAE was run\n"
    )
    (tmp_path / "extra.csv").write_text("a\n1\n")
    for figure in FIGURES:
        (tmp_path / f"{figure}.png").write_bytes(PIXEL)
    model = tmp_path / "models/ldm"
    model.mkdir(parents=True)
    (model / "config.json").write_text(
        json.dumps({"made_with": {"ldae": "0.1.0", "commit": "abc123"}})
    )
    lines = [{"step": i, "samples": 8 * i, "loss": 1 / i} for i in range(1, 9)]
    (model / "train.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks/train_ldm.tsv").write_text("s\tmax_rss\tcpu_time\n61\t800\t120\n")
    pictures = tmp_path / "derivatives/sub-A/figures"
    pictures.mkdir(parents=True)
    (pictures / "sub-A_ses-M000_desc-qc_T1w.png").write_bytes(PIXEL)
    return {
        "attrition": tmp_path / "attrition.csv",
        "excluded": tmp_path / "excluded.tsv",
        "scans": tmp_path / "scans.parquet",
        "tables": [tmp_path / f"{name}.csv" for name in TABLES],
        "figures": [tmp_path / f"{name}.png" for name in FIGURES],
        "curves": [model / "train.jsonl"],
        "benchmarks": tmp_path / "benchmarks",
        "derivatives": tmp_path / "derivatives",
        "flow": tmp_path / "figures/cohort_flow.svg",
        "report": tmp_path / "report/index.html",
        "shareable": tmp_path / "report/shareable.html",
    }


@pytest.fixture
def page(inputs: dict[str, Any], demo_settings: Settings) -> str:
    write_report(**inputs, settings=demo_settings)
    return inputs["report"].read_text(encoding="utf-8")


@pytest.fixture
def shared(page: str, inputs: dict[str, Any]) -> str:
    return inputs["shareable"].read_text(encoding="utf-8")


@pytest.mark.parametrize("build", ["page", "shared"])
def test_each_build_is_one_file_that_asks_nothing_of_a_network(build, request):
    page = request.getfixturevalue(build)
    addresses = Reader(page).addresses
    assert addresses
    beside = {address for address in addresses if not address.startswith(("data:", "#"))}
    assert beside == ({"explorer.html"} if "Internal build" in page else set())
    assert "default-src 'none'" in page
    assert not re.search(r"url\(|@import|fetch\(", page)
    assert "http" not in re.sub(r"data:[^\"]*|http-equiv", "", page)


def test_every_table_figure_and_curve_is_there(page):
    for table in (*TABLES, "headline", "demographics", "quality", "outliers", "checklist"):
        assert f'download="{table}.csv"' in page
    reader = Reader(page)
    assert reader.tags.count("img") == 7  # the flow, five figures and one mosaic
    assert reader.tags.count("svg") == 1 + 3  # a curve, and the figures of quality that are known
    assert reader.alt_missing == 0
    assert len(reader.ids) == len(set(reader.ids))
    assert {"header", "nav", "main", "footer"} <= set(reader.tags)
    linked = {address[1:] for address in reader.addresses if address.startswith("#")}
    assert linked <= set(reader.ids)


def test_what_comes_from_data_is_escaped(page):
    assert HOSTILE not in page
    assert "&lt;script&gt;alert" in page
    assert Reader(page).tags.count("script") == 1


def test_the_script_is_the_one_its_policy_allows(page):
    import hashlib

    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page


def test_headline_shows_the_steps_that_were_computed(page):
    text = re.sub(r"<[^>]+>", " ", page)
    assert re.search(r"T = 50\s+SSIM ↑\s+0\.962\s+0\.950\s+\[0\.940, 0\.970\]\s+–\s+inside", text)
    assert re.search(r"MAE ↓ \(years\)\s+4\.16\s+6\.000\s+\[5\.000, 7\.000\]\s+–\s+worse", text)
    assert "1 of the paper’s numbers: 50 steps only" in text


def test_each_table_stands_under_the_papers_own(page):
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert "SSIM ↑ LPIPS ↓ LDAE, encoded z_T, T = 50 0.962 0.950 [0.940, 0.970] inside" in text
    assert re.search(r"0\.076 not computed .*LDAE, encoded z_T, T = 100 0\.962 not comp", text)
    assert "Volumes per second ↑" in text
    assert "throughput.csv: ratio_to_dae: no DAE was run" in text


def test_it_says_how_to_get_weights_that_are_missing(inputs, demo_settings, page, tmp_path):
    assert "snakemake fetch_weights" in page
    for file in FILES:
        assert f"{file.name}: " in page
        (tmp_path / file.name).touch()
    settings = demo_settings.model_copy(update={"pretrained": str(tmp_path)})
    write_report(**inputs, settings=settings)
    assert "fetch_weights" not in inputs["report"].read_text(encoding="utf-8")


def test_it_says_what_the_cohort_is_and_that_it_is_internal(page):
    assert "The cohort is synthetic" in page
    assert "Internal build" in page
    assert "abc123" in page


def test_it_says_what_wrote_it_and_for_which_configuration(page, demo_settings):
    assert f"Written by {in_words(*made_with().values())}, " in page
    assert f"<code>{fingerprint(demo_settings)}</code>" in page


def test_every_table_can_be_sorted_and_downloaded(page):
    tables = re.findall(r'<figure class="table.*?</figure>', page, re.DOTALL)
    assert len(tables) == page.count("<table")
    for table in tables:
        assert 'class="sortable"' in table
        assert 'class="download" download="' in table
    assert page.count('<th scope="col"') == page.count('<button type="button">')


def test_the_methods_text_has_this_runs_settings_and_can_be_taken_along(page, demo_settings):
    text = re.search(r'id="methods-text".*?</div>', page, re.DOTALL)[0]
    assert "4 subjects with 8 scans entered the analysis" in text
    assert f"seed {demo_settings.seed}, configuration {fingerprint(demo_settings)}" in text
    taken = re.search(r'download="methods.md" href="data:text/markdown[^,]*,([^"]*)"', page)[1]
    markdown = base64.b64decode(taken).decode()
    assert "4 subjects with 8 scans entered the analysis" in markdown
    assert 'download="references.bib"' in page


def test_the_shareable_build_holds_no_person(shared, inputs):
    assert "Shareable build" in shared
    assert "Internal build" not in shared
    reader = Reader(shared)
    assert reader.tags.count("img") == 1  # the flow
    assert "data:image/png" not in shared
    texts = [base64.b64decode(part).decode() for part in re.findall(r"base64,([^\"']*)", shared)]
    for text in (re.sub(r"base64,[^\"]*", "", shared), *texts):
        assert not re.search(r"sub-[A-D]\b|ses-M0", text)
    assert str(inputs["shareable"].parents[1]) not in shared
    assert "shows single persons" in shared
    assert 'id="scans"' not in shared


def test_a_page_that_would_name_a_person_is_not_shared(inputs, demo_settings):
    write_csv(
        pd.DataFrame(
            [("found", None, 8, 8, 4), ("t1w", "sub-A is odd", 0, 0, 0), ("t1w", None, 8, 8, 4)],
            columns=["step", "reason", "images", "sessions", "subjects"],
        ),
        inputs["attrition"],
    )
    with pytest.raises(UserError, match="not written, since it would hold sub-A"):
        write_report(**inputs, settings=demo_settings)
    assert not inputs["shareable"].exists()


def test_a_collapsed_code_raises_the_alarm(page):
    assert re.search(r'class="alarm"[^>]*>ldae: its code has collapsed', page)


def test_same_inputs_same_bytes(page, shared, inputs, demo_settings):
    write_report(**inputs, settings=demo_settings)
    assert inputs["report"].read_text(encoding="utf-8") == page
    assert inputs["shareable"].read_text(encoding="utf-8") == shared


def test_the_flow_is_a_table_on_the_page_and_a_figure_of_its_own(page, inputs):
    assert 'download="cohort_flow.csv"' in page
    assert "8 scans that models read" in inputs["flow"].read_text()
    assert HOSTILE not in inputs["flow"].read_text()
    assert "keeps and loses is not" not in page


def test_missing_pieces_are_explained(inputs, demo_settings, tmp_path):
    gone = [*inputs["tables"][1:], *inputs["figures"], *inputs["curves"]]
    for path in gone:
        path.unlink()
    bare = inputs | {"benchmarks": tmp_path / "no", "derivatives": tmp_path / "none"}
    write_report(**bare, settings=demo_settings)
    page = inputs["report"].read_text(encoding="utf-8")
    for path in gone:
        assert f"{path.name}: this run has not made it" in page
    for said in ("no table “reconstruction”", "no figure “variation”", "No benchmark files",
                 "No quality figures", "no training log"):  # fmt: skip
        assert said in page
    assert page.count("<img") == 1  # the flow


def test_without_the_comparison_there_is_no_page(inputs, demo_settings):
    inputs["tables"].pop(0)
    with pytest.raises(UserError, match=r"paper\.csv is missing"):
        write_report(**inputs, settings=demo_settings)
    assert not inputs["report"].exists()


def test_adni_is_not_to_be_passed_on(inputs, demo_settings):
    cohort = demo_settings.cohort.model_copy(update={"source": "adni"})
    write_report(**inputs, settings=demo_settings.model_copy(update={"cohort": cohort}))
    page = inputs["report"].read_text(encoding="utf-8")
    assert "The cohort is synthetic" not in page
    assert "do not allow passing it on" in page
