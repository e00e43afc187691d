"""Write the results page, in two builds, from everything a run has made."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ldae import config
from ldae.bids import figure_path
from ldae.errors import UserError
from ldae.planning.size import size_of
from ldae.preprocessing.verdict import FIGURES, limits
from ldae.report.beside import subjects_behind
from ldae.report.builds import INTERNAL, SHAREABLE, for_sharing
from ldae.report.cohort_flow import cohort_flow, demographics, faults_of
from ldae.report.content import (
    CohortFlow,
    Gap,
    Mosaic,
    Page,
    Run,
    ScanQuality,
    as_yaml,
    load_picture,
)
from ldae.report.curves import draw_charts, read_log
from ldae.report.facts import gather_facts, makers, model_configs
from ldae.report.flow_figure import draw_flow
from ldae.report.headline import read_comparison
from ldae.report.html_table import HtmlTable, from_csv, from_frame, read_csv
from ldae.report.page import render
from ldae.report.quality import (
    Measure,
    all_scans,
    draw_histograms,
    outliers_first,
    quality_summary,
)
from ldae.report.resources import resources
from ldae.report.sharing import individual_marks
from ldae.report.timing import read_benchmarks
from ldae.runs.start import Start, read_start
from ldae.runtime import write_text
from ldae.tables import SCANS, read_table, read_tsv
from ldae.weights.public import FILES, SQUEEZENET, public_path

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
    shareable: Path,
    settings: Settings,
) -> None:
    """Write two HTML files that open from disk without a network.

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
        report: the page with everything, for those who may see single scans.
        shareable: the page with groups alone.
        settings: what the run was made with.

    Raises:
        UserError: `paper.csv` is not among `tables`, a file is not what it should be, or a label
            of a person would be in `shareable`, which is then not written.
    """
    known, lost = read_table(scans, SCANS), read_tsv(excluded)
    there = {path.stem: path for path in tables if path.is_file()}
    if "paper" not in there:
        raise UserError("--tables: paper.csv is missing; make it first (compare-paper)")
    frames = {name: read_csv(path) for name, path in there.items()}
    views = {name: from_csv(path) for name, path in there.items()}
    comparison = read_comparison(there["paper"])
    judged, measures = _judged(known, lost, settings.quality)
    configs = model_configs(curves)
    facts = gather_facts(
        settings,
        known,
        frames,
        configs,
        excluded=len(lost),
        perceptual=public_path(settings.pretrained, SQUEEZENET) is not None,
    )
    start = None if run is None else read_start(run)
    page = Page(
        run=Run(
            name=settings.run,
            synthetic=settings.cohort.source == "synthetic",
            made_with=facts.made_with,
            models_made_with=makers(configs),
            settings_hash=facts.settings_hash,
            settings=settings,
            settings_text=as_yaml(settings.model_dump(mode="json")),
        ),
        facts=facts,
        flow=_flow(pd.read_csv(attrition), lost, known, picture=flow),
        demographics=demographics(known),
        comparison=comparison,
        subjects=subjects_behind(comparison, frames),
        frames=frames,
        tables=views,
        small={},
        figures={path.stem: load_picture(path) for path in figures if path.is_file()},
        charts={path.parent.name: draw_charts(read_log(path)) for path in curves if path.is_file()},
        quality=from_frame("quality", quality_summary(judged, measures)),
        scans=_single_scans(judged, measures, derivatives),
        resources=resources(
            read_benchmarks(benchmarks), run=run, machine=_machine(facts.device, start)
        ),
        plan=None if run is None or start is None else _plan(run, start, known),
        gaps=[*_not_made([*tables, *figures, *curves]), *_empty_columns(views)],
        weights=[
            Gap(file.name, file.serves)
            for file in FILES
            if public_path(settings.pretrained, file) is None
        ],
    )
    write_text(report, render(page, INTERNAL))
    shared = render(for_sharing(page), SHAREABLE)
    labels = {*known["participant_id"], *known["session_id"], *lost["participant_id"]}
    if marks := individual_marks(shared, labels):
        raise UserError(f"{shareable}: not written, since it would hold {', '.join(marks[:5])}")
    write_text(shareable, shared)
    for path in (report, shareable):
        logging.info("%s: %.1f MB", path, path.stat().st_size / 1e6)


def _machine(device: str, start: Start | None) -> str:
    """What is known of the machine, in words."""
    words = [device] if device else []
    if start is not None:
        words += [f"{start.cores} cores for jobs"] if start.cores else []
        words += [f"{start.gpus} GPUs"] if start.gpus else []
    return ", ".join(words)


def _plan(run: Path, start: Start, scans: pd.DataFrame) -> HtmlTable:
    """What was to be expected of each stage, beside what happened."""
    # The networks are looked at, which takes seconds and memory: not without need.
    from ldae.planning.happened import plan_and_facts  # noqa: PLC0415

    return from_frame("plan", plan_and_facts(run, start, size_of(scans)))


def _flow(
    attrition: pd.DataFrame, excluded: pd.DataFrame, scans: pd.DataFrame, *, picture: Path
) -> CohortFlow:
    """The cohort's flow, which is drawn to the file `picture` too."""
    steps = cohort_flow(attrition, excluded, scans)
    write_text(picture, draw_flow(steps, scans))
    return CohortFlow(
        load_picture(picture), from_frame("cohort_flow", steps), tuple(faults_of(steps))
    )


def _judged(
    scans: pd.DataFrame, excluded: pd.DataFrame, bounds: config.Quality
) -> tuple[pd.DataFrame, list[Measure]]:
    """Every scan with figures of its quality, and what these figures are."""
    measures = [
        Measure(f"qc_{each.name}", each.label, each.unit, each.decimals, *limits(each, bounds))
        for each in FIGURES
    ]
    return all_scans(scans, excluded, [measure.column for measure in measures]), measures


def _single_scans(
    judged: pd.DataFrame, measures: Sequence[Measure], derivatives: Path
) -> ScanQuality:
    """Distributions, and pictures of the most unusual scans and the most usual one."""
    ordered = outliers_first(judged, measures)
    mosaics = []
    for scan in ordered.to_dict("records"):
        picture = derivatives / figure_path(scan["participant_id"], scan["session_id"])
        if picture.is_file():
            said = [f"{each.label} {each.write(scan[each.column])}" for each in measures]
            name = f"{scan['participant_id']} {scan['session_id']}, {scan['outcome']}"
            mosaics.append((picture, f"{name}: {', '.join(said)}"))
    chosen = [*mosaics[: MOSAICS - 1], *mosaics[MOSAICS - 1 :][-1:]]
    return ScanQuality(
        draw_histograms(judged, measures),
        from_frame("outliers", ordered.head(OUTLIERS).rename(columns=_without_prefix)),
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
