"""Put the models side by side: what each reconstructs from, how much it keeps, and how well."""

from pathlib import Path

import pandas as pd

from ldae.data.embeddings import code_names
from ldae.data.inversions import code_length
from ldae.errors import UserError
from ldae.tables import write_csv

COMPARED = {"ldae": "encoded", "lddim": "encoded", "dae": "encoded", "autoencoder": "bottleneck"}
KEYS = ["model", "start", "steps"]
METRICS = ["ssim", "lpips", "mse"]
COLUMNS = [
    *KEYS,
    "latent_dim",
    *[f"{metric}{end}" for metric in METRICS for end in ("", "_low", "_high")],
    *("n_scans", "n_subjects", "not_computed"),
]


def compare_models(
    *, reconstruction: Path, inversions: list[Path], embeddings: list[Path], table: Path
) -> None:
    """Write `tables/models.csv`: each model's row of most steps, and the size of its latents.

    `latent_dim` is how many numbers stand for a scan, counted in the stored arrays: z_T, and y_sem
    where there is one. The autoencoder keeps as many as the diffusion in its latent space.

    Args:
        reconstruction: `tables/reconstruction.csv`.
        inversions: `inversions/{model}/T{steps}/index.parquet`, of each model one or more.
        embeddings: `embeddings/{encoder}.parquet` of the models that have a code.
        table: the table to write; models that this run lacks are not in it.
    """
    measured = pd.read_csv(reconstruction)
    rows = measured[measured["start"] == measured["model"].map(COMPARED)]
    rows = rows.sort_values("steps").drop_duplicates("model", keep="last").set_index("model")
    z_T = {index.parent.parent.name: code_length(index) for index in inversions}
    z_T["autoencoder"] = z_T["ldae"]
    y_sem = {path.stem: len(code_names(path)) for path in embeddings}
    present = [model for model in COMPARED if model in rows.index]
    uncounted = [model for model in present if model not in z_T]
    if uncounted:
        raise UserError(f"--inversions: none of {', '.join(uncounted)}, which {reconstruction} has")
    sizes = [z_T[model] + y_sem.get(model, 0) for model in present]
    found = rows.loc[present].reset_index().assign(latent_dim=sizes)
    write_csv(found.reindex(columns=COLUMNS), table)
