"""Write the results page from everything a run has made."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ldae import __version__, config
from ldae.bids import figure_path
from ldae.errors import UserError
from ldae.report.cohort_flow import attrition, demographics
from ldae.report.curves import draw_charts, read_log
from ldae.report.headline import read_comparison
from ldae.report.html_table import HtmlTable, from_csv, from_frame, split_csv
from ldae.report.page import Gap, Mosaic, Page, Run, Scanned, load_picture, render
from ldae.report.representation import vitality
from ldae.report.timing import read_benchmarks
from ldae.runtime import write_text
from ldae.tables import INGESTED, SCANS, read_table, read_tsv

MOSAICS = 6


class Settings(config.Results):
    """Everything that results depend on, since the page shows it."""


def write_report(
    *,
    images: Path,
    ingested: Path,
    excluded: Path,
    scans: Path,
    tables: list[Path],
    figures: list[Path],
    curves: list[Path],
    benchmarks: Path,
    derivatives: Path,
    report: Path,
    settings: Settings,
) -> None:
    """Write one HTML file that opens from disk without a network.

    Args:
        images: `cohort/images.tsv`, a row per image found.
        ingested: `cohort/ingested.parquet`.
        excluded: `cohort/excluded.tsv`, scans that preprocessing lost, with reasons.
        scans: `cohort/scans.parquet`.
        tables: result CSVs, `paper.csv` among them.
        figures: PNG or SVG files.
        curves: `models/*/train.jsonl`.
        benchmarks: folder of Snakemake's benchmark files.
        derivatives: folder that `scans` names its volumes in.
        report: the page.
        settings: what the run was made with.

    Raises:
        UserError: `paper.csv` is not among `tables`, or a file is not what it should be.
    """
    known = read_table(scans, SCANS)
    there = {path.stem: path for path in tables if path.is_file()}
    if "paper" not in there:
        raise UserError("--tables: paper.csv is missing; make it first (compare-paper)")
    views = {name: from_csv(path) for name, path in there.items()}
    alive = vitality(pd.read_csv(there["representation"])) if "representation" in there else []
    page = Page(
        run=Run(
            name=settings.run,
            synthetic=settings.cohort.source == "synthetic",
            version=__version__,
            made_with=_made_with(curves),
            settings=settings,
        ),
        scanned=Scanned(
            subjects=known["participant_id"].nunique(),
            scans=len(known),
            test_subjects=known.loc[known["split"] == "test", "participant_id"].nunique(),
        ),
        flow=attrition(read_tsv(images), read_table(ingested, INGESTED), read_tsv(excluded), known),
        demographics=from_frame("demographics", demographics(known)),
        comparison=read_comparison(there["paper"]),
        tables=views,
        probes=split_csv(there["downstream"], "task") if "downstream" in there else [],
        figures={path.stem: load_picture(path) for path in figures if path.is_file()},
        vitality=alive,
        charts={path.parent.name: draw_charts(read_log(path)) for path in curves if path.is_file()},
        mosaics=_mosaics(known, derivatives),
        timing=read_benchmarks(benchmarks),
        gaps=[*_not_made([*tables, *figures, *curves]), *_empty_columns(views)],
    )
    write_text(report, render(page))
    logging.info("%s: %.1f MB", report, report.stat().st_size / 1e6)


def _made_with(curves: Sequence[Path]) -> str:
    """Package version and commit that the models' `config.json` name, each once."""
    told = []
    for path in curves:
        made = path.with_name("config.json")
        if made.is_file():
            maker = json.loads(made.read_text(encoding="utf-8")).get("made_with", {})
            commit = maker.get("commit")
            told.append(
                f"ldae {maker.get('ldae')}, {f'commit {commit}' if commit else 'no commit'}"
            )
    return "; ".join(dict.fromkeys(told)) or "not known: no config.json beside the training logs"


def _mosaics(scans: pd.DataFrame, derivatives: Path) -> list[Mosaic]:
    """Quality figures of scans spread evenly from the least to the most like the template."""
    order = scans.sort_values(["qc_template_correlation", "participant_id", "session_id"])
    chosen = sorted({round(i * (len(order) - 1) / (MOSAICS - 1)) for i in range(MOSAICS)})
    mosaics = []
    for scan in order.iloc[chosen].itertuples() if len(order) else ():
        picture = derivatives / figure_path(str(scan.participant_id), str(scan.session_id))
        if picture.is_file():
            caption = (
                f"{scan.participant_id} {scan.session_id}: brain {scan.qc_brain_ml:.0f} ml, "
                f"overlap {scan.qc_template_dice:.3f}, "
                f"correlation {scan.qc_template_correlation:.3f}"
            )
            mosaics.append(Mosaic(load_picture(picture), caption))
    return mosaics


def _not_made(declared: Sequence[Path]) -> list[Gap]:
    return [Gap(path.name, "this run has not made it") for path in declared if not path.is_file()]


def _empty_columns(tables: dict[str, HtmlTable]) -> list[Gap]:
    """Columns that a result table declares and no row of it holds."""
    return [
        Gap(f"{name}.csv", reason)
        for name, view in tables.items()
        if name != "paper"
        for reason in view.empty
    ]
