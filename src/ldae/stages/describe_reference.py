"""The pages of every subcommand and typed table, and the picture of the stages."""

from pathlib import Path

from ldae.commands import GROUPS
from ldae.planning.outline import OUTLINE
from ldae.reference.commands import every_command
from ldae.reference.marks import above
from ldae.reference.picture import drawn
from ldae.reference.schemas import every_schema
from ldae.runtime import atomic_path

COMMAND = "describe-reference"
STAGES = Path(__file__).parent
FILES = {  # where in `results/{run}/` the table of a schema stands
    "PLANNED": "cohort/planned.parquet",
    "CANDIDATES": "cohort/buckets/*.parquet",
    "CONVERTED": "cohort/converted/*.parquet",
    "INGESTED": "cohort/ingested.parquet",
    "PREPROCESSED": "cohort/preprocessed/*.parquet",
    "SCANS": "cohort/scans.parquet",
    "SUPERVISED_PREDICTIONS": "predictions/*.parquet",
    "RECONSTRUCTED": "tables/reconstruction.parquet",
    "PREDICTED": "tables/predictions.parquet",
    "INTERPOLATED": "tables/interpolation.parquet",
    "MANIPULATED": "tables/manipulation.parquet",
    "VARIED": "tables/variation.parquet",
}
DATA = ("ingest", "preprocess", "latents", "embeddings", "inversions")
MODELS = ("autoencoder", "ldm", "ldae", "dae", "supervised")


def describe_reference(*, folder: Path) -> None:
    """Bring `commands.md` and `tables.md` up to date below their marks, and draw `stages.svg`.

    Args:
        folder: of those pages, `docs/reference`; what stands above a mark is kept.

    Raises:
        UserError: a page has no mark.
    """
    pages = {
        "commands.md": every_command(STAGES, GROUPS),
        "tables.md": every_schema(FILES),
    }
    for name, text in pages.items():
        page = folder / name
        _write(page, above(page.read_text(encoding="utf-8"), command=COMMAND) + text)
    after = {name: stage.after for name, stage in OUTLINE.items()}
    kinds = {name: _kind(name) for name in OUTLINE}
    title = "The stages of a run, and what each waits for"
    _write(folder / "stages.svg", drawn(after, kinds, title=title))


def _kind(stage: str) -> str:
    """Its colour in the picture."""
    if stage in DATA:
        return "data"
    return "model" if stage.startswith(MODELS) else "result"


def _write(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
