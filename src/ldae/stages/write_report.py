"""Write the results page from everything a run has made."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ldae import config
from ldae.bids import figure_path
from ldae.errors import UserError
from ldae.origin import in_words, made_with
from ldae.planning.size import size_of
from ldae.preprocessing.verdict import FIGURES, limits
from ldae.report.cohort_flow import cohort_flow, demographics, faults_of
from ldae.report.curves import draw_charts, read_log
from ldae.report.flow_figure import draw_flow
from ldae.report.headline import read_comparison
from ldae.report.html_table import HtmlTable, from_csv, from_frame, split_csv
from ldae.report.page import (
    CohortFlow,
    CohortQuality,
    Gap,
    Mosaic,
    Page,
    Run,
    Scanned,
    load_picture,
    render,
)
from ldae.report.quality import Measure, all_scans, draw_histograms, outliers_first
from ldae.report.representation import vitality
from ldae.report.timing import read_benchmarks
from ldae.runs.start import read_start
from ldae.runtime import write_text
from ldae.settings import fingerprint
from ldae.tables import SCANS, read_table, read_tsv
from ldae.weights.public import FILES, public_path

MOSAICS = 6
OUTLIERS = 25


class Settings(config.Results):
    """Everything that results depend on, since the page shows it."""


def write_report(
    *,
    attrition: Path,
    excluded: Path,
    scans: Path,
    tables: list[Path],
    figures: list[Path],
    curves: list[Path],
    benchmarks: Path,
    derivatives: Path,
    run: Path | None = None,
    flow: Path,
    report: Path,
    settings: Settings,
) -> None:
    """Write one HTML file that opens from disk without a network.

    Args:
        attrition: `cohort/attrition.csv`, what each step of ingestion keeps and loses.
        excluded: `cohort/excluded.tsv`, scans that preprocessing lost, with reasons.
        scans: `cohort/scans.parquet`.
        tables: result CSVs, `paper.csv` among them.
        figures: PNG or SVG files.
        curves: `models/*/train.jsonl`.
        benchmarks: folder of Snakemake's benchmark files.
        derivatives: folder that `scans` names its volumes in.
        run: the run's folder, which tells how it was started; without it the page shows no plan.
        flow: SVG to write, the flow from images found to scans that models read.
        report: the page.
        settings: what the run was made with.

    Raises:
        UserError: `paper.csv` is not among `tables`, or a file is not what it should be.
    """
    known, lost = read_table(scans, SCANS), read_tsv(excluded)
    there = {path.stem: path for path in tables if path.is_file()}
    if "paper" not in there:
        raise UserError("--tables: paper.csv is missing; make it first (compare-paper)")
    views = {name: from_csv(path) for name, path in there.items()}
    alive = vitality(pd.read_csv(there["representation"])) if "representation" in there else []
    page = Page(
        run=Run(
            name=settings.run,
            synthetic=settings.cohort.source == "synthetic",
            made_with=in_words(*made_with().values()),
            models_made_with=_made_with(curves),
            settings_hash=fingerprint(settings),
            settings=settings,
        ),
        scanned=Scanned(
            subjects=known["participant_id"].nunique(),
            scans=len(known),
            test_subjects=known.loc[known["split"] == "test", "participant_id"].nunique(),
        ),
        flow=_flow(pd.read_csv(attrition), lost, known, picture=flow),
        demographics=from_frame("demographics", demographics(known)),
        comparison=read_comparison(there["paper"]),
        tables=views,
        probes=split_csv(there["downstream"], "task") if "downstream" in there else [],
        figures={path.stem: load_picture(path) for path in figures if path.is_file()},
        vitality=alive,
        charts={path.parent.name: draw_charts(read_log(path)) for path in curves if path.is_file()},
        quality=_quality(known, lost, derivatives, settings.quality),
        timing=read_benchmarks(benchmarks),
        plan=None if run is None else _plan(run, known),
        gaps=[*_not_made([*tables, *figures, *curves]), *_empty_columns(views)],
        weights=[
            Gap(file.name, file.serves)
            for file in FILES
            if public_path(settings.pretrained, file) is None
        ],
    )
    write_text(report, render(page))
    logging.info("%s: %.1f MB", report, report.stat().st_size / 1e6)


def _plan(run: Path, scans: pd.DataFrame) -> HtmlTable:
    """What was to be expected of each stage, beside what happened."""
    # The networks are looked at, which takes seconds and memory: not without need.
    from ldae.planning.happened import plan_and_facts  # noqa: PLC0415

    return from_frame("plan", plan_and_facts(run, read_start(run), size_of(scans)))


def _made_with(curves: Sequence[Path]) -> str:
    """Package version and commit that the models' `config.json` name, each once."""
    told = []
    for path in curves:
        made = path.with_name("config.json")
        if made.is_file():
            maker = json.loads(made.read_text(encoding="utf-8")).get("made_with", {})
            told.append(in_words(maker.get("ldae"), maker.get("commit")))
    return "; ".join(dict.fromkeys(told)) or "not known: no config.json beside the training logs"


def _flow(
    attrition: pd.DataFrame, excluded: pd.DataFrame, scans: pd.DataFrame, *, picture: Path
) -> CohortFlow:
    """The cohort's flow, which is drawn to the file `picture` too."""
    steps = cohort_flow(attrition, excluded, scans)
    write_text(picture, draw_flow(steps, scans))
    return CohortFlow(
        load_picture(picture), from_frame("cohort_flow", steps), tuple(faults_of(steps))
    )


def _quality(
    scans: pd.DataFrame, excluded: pd.DataFrame, derivatives: Path, bounds: config.Quality
) -> CohortQuality:
    """The preprocessed scans' figures, and pictures of the most unusual and the most usual."""
    measures = [
        Measure(f"qc_{each.name}", each.label, each.unit, each.decimals, *limits(each, bounds))
        for each in FIGURES
    ]
    judged = all_scans(scans, excluded, [measure.column for measure in measures])
    ordered = outliers_first(judged, measures)
    mosaics = []
    for scan in ordered.to_dict("records"):
        picture = derivatives / figure_path(scan["participant_id"], scan["session_id"])
        if picture.is_file():
            said = [f"{each.label} {each.write(scan[each.column])}" for each in measures]
            name = f"{scan['participant_id']} {scan['session_id']}, {scan['outcome']}"
            mosaics.append((picture, f"{name}: {', '.join(said)}"))
    chosen = [*mosaics[: MOSAICS - 1], *mosaics[MOSAICS - 1 :][-1:]]
    return CohortQuality(
        draw_histograms(judged, measures),
        from_frame("quality", ordered.head(OUTLIERS).rename(columns=_without_prefix)),
        [Mosaic(load_picture(picture), caption) for picture, caption in chosen],
    )


def _without_prefix(column: str) -> str:
    return column.removeprefix("qc_")


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
