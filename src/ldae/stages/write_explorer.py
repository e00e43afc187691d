"""Write the explorer: single scans and what the models make of them, in one HTML file."""

import logging
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import pandas as pd

from ldae import config
from ldae.data.choices import take_split
from ldae.data.embeddings import read_embeddings
from ldae.explorer.choosing import as_fit, in_turns
from ldae.explorer.content import Subject
from ldae.explorer.making import Maker, Probes
from ldae.explorer.page import Page, Shown, fixed_size, render
from ldae.explorer.sessions import by_oddity, pages_of, with_pictures
from ldae.explorer.viewer import niivue_module, read_widget, viewer_version
from ldae.explorer.volumes import nifti_header
from ldae.metrics.directions import NEEDED, fit_on
from ldae.metrics.probe import TooFewSubjects
from ldae.metrics.tasks import AD_VS_CN, AGE
from ldae.models.ldae import load_ldae
from ldae.models.stored import inverted_by
from ldae.origin import in_words, made_with
from ldae.preprocessing.verdict import FIGURES, limits
from ldae.progress import Tally
from ldae.report.quality import Measure
from ldae.runtime import pick_device, use_threads, write_text
from ldae.tables import SCANS, read_table, read_tsv


class Settings(config.Section):
    """What is shown of how many subjects, as the evaluations of the run make it."""

    run: str
    seed: int
    cohort: config.Cohort
    quality: config.Quality
    sampling: config.Sampling
    interpolation: config.Interpolation
    manipulation: config.Manipulation
    variation: config.Variation
    explorer: config.Explorer


def write_explorer(
    *,
    scans: Path,
    excluded: Path,
    derivatives: Path,
    models: Path,
    embeddings: Path,
    inversions: Path,
    explorer: Path,
    devices: int,
    threads: int,
    batch_size: int,
    settings: Settings,
) -> None:
    """Write one HTML file, internal, that opens from disk without a network.

    Test subjects are shown with volumes: scans and reconstructions of all sessions, the first one
    moved towards AD and towards old age, what lies between their first and last session, and
    samples of the first one's code. They and, as far as the page's size allows, all others are
    shown with the pictures and figures that preprocessing left.

    Args:
        scans: the table of scans (`cohort/scans.parquet`).
        excluded: `cohort/excluded.tsv`, scans that preprocessing lost, with reasons.
        derivatives: the folder volumes, masks and pictures lie in.
        models: the folder of `autoencoder`, `ldm` and `ldae`.
        embeddings: the scans' codes (`embeddings/ldae.parquet`).
        inversions: the folder of `ldae/T{steps}/index.parquet`, of the steps of manipulation and
            interpolation.
        explorer: the page, `report/explorer.html`.
        devices: GPUs it may use; it uses one. 0: the CPU.
        threads: CPU threads.
        batch_size: how many scans are held in memory at once; no result depends on it.
        settings: see `Settings`.

    Raises:
        UserError: the viewer's package is missing or another one than expected.
    """
    use_threads(threads)
    viewer = niivue_module(read_widget())
    kept, lost = read_table(scans, SCANS), read_tsv(excluded)
    test, chosen, clip = take_split(kept, "test"), settings.explorer, settings.sampling.clip
    measures = [
        Measure(f"qc_{x.name}", x.label, x.unit, x.decimals, *limits(x, settings.quality))
        for x in FIGURES
    ]
    pages = pages_of(kept, lost, measures)
    probes = _probes(kept, embeddings, settings.manipulation.probe)
    maker = Maker(
        model=load_ldae(models, clip=clip, device=pick_device(devices)),
        made_by=inverted_by(models, "ldae", clip=clip),
        probes=probes,
        derivatives=derivatives,
        embeddings=embeddings,
        inversions=inversions,
        batch_size=batch_size,
        seed=settings.seed,
        interpolation=settings.interpolation,
        manipulation=settings.manipulation,
        variation=settings.variation,
    )
    subjects = in_turns(test)
    tally = Tally("explorer", min(chosen.max_subjects, len(subjects)), unit="subjects")

    def with_volumes() -> Iterator[Subject]:
        for name in subjects:
            own = test[test["participant_id"] == name].reset_index(drop=True)
            yield maker.fill(with_pictures(pages[name], derivatives), own)
            tally.add()

    room = int(chosen.max_mb * 1e6) - fixed_size(viewer)
    shown = list(as_fit(with_volumes(), room, most=chosen.max_subjects))
    if not shown:
        logging.warning("no subject's volumes fit into %g MB (explorer.max_mb)", chosen.max_mb)
    there = {each.participant_id for each in shown}
    further = (pages[x] for x in by_oddity(kept, lost, measures, pages) if x not in there)
    left = room - sum(each.size for each in shown)
    shown += as_fit((with_pictures(each, derivatives) for each in further), left)
    image = nib.load(derivatives / test["volume"].iloc[0])
    page = Page(
        run=settings.run,
        synthetic=settings.cohort.source == "synthetic",
        made_with=f"{in_words(*made_with().values())}, shown by NiiVue of {viewer_version()}",
        steps={
            name: getattr(settings, name).steps
            for name in ("manipulation", "interpolation", "variation")
        },
        headers={
            "scan": nifti_header(image.shape, image.affine, "uint8"),
            "difference": nifti_header(image.shape, image.affine, "int16"),
        },
        shape=image.shape,
        viewer=viewer,
        subjects=shown,
        shown=Shown(
            test_subjects=len(subjects),
            all_subjects=len(pages),
            limit=f"the page may take {chosen.max_mb:g} MB (explorer.max_mb) and hold the volumes "
            f"of {chosen.max_subjects} subjects (explorer.max_subjects)",
            not_moved="" if probes else f"Nothing is moved along a direction: {NEEDED}.",
        ),
    )
    write_text(explorer, render(page))
    logging.info("%s: %.1f MB", explorer, explorer.stat().st_size / 1e6)


def _probes(kept: pd.DataFrame, embeddings: Path, settings: config.Probe) -> Probes | None:
    """Those of the codes of training scans; None where there are too few subjects."""
    train = take_split(kept, "train")
    codes = read_embeddings(embeddings, train)
    try:
        return Probes(*(fit_on(task, train, codes, settings) for task in (AD_VS_CN, AGE)))
    except TooFewSubjects as error:
        logging.warning("%s (%s)", NEEDED, error)
        return None
