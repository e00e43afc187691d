"""Write what the models of a run expect of a single scan, and what is usual among theirs."""

import logging
from pathlib import Path

import numpy as np

from ldae.config import Preprocessing, Quality, Sampling, Section
from ldae.data.choices import take_split
from ldae.data.embeddings import read_embeddings
from ldae.data.volumes import load_volume
from ldae.pretrained import contract as contracts
from ldae.pretrained.look import look_at
from ldae.pretrained.shift import fit_familiar
from ldae.progress import Tally
from ldae.runtime import note_read, sha256
from ldae.tables import SCANS, read_table

MOST_SCANS = 400  # training scans that are looked at: a minute or two on the paper's grid
MARGIN = 1.5  # by which a brain may be larger or smaller than any of them


class Settings(Section):
    """How the training scans were made and judged, and how models sample."""

    preprocessing: Preprocessing
    quality: Quality
    sampling: Sampling


def write_contract(
    *,
    scans: Path,
    derivatives: Path,
    models: Path,
    embeddings: Path,
    probes: Path,
    contract: Path,
    settings: Settings,
) -> None:
    """Write the hashed contract that single scans are held to (`ldae encode`, `ldae.load` …).

    It holds no number of a single person: what is usual are means, spreads and quantiles over
    training scans, of 400 at most, evenly spread over the table.

    Args:
        scans: the table of scans (`cohort/scans.parquet`).
        derivatives: the folder its volumes and sidecars lie in.
        models: the folder of `autoencoder`, `ldm` and `ldae`, to whose weights it belongs.
        embeddings: the scans' codes (`embeddings/ldae.parquet`).
        probes: `models/probes.json`, which belongs to the same weights.
        contract: JSON to write, `models/contract.json`.
        settings: see `Settings`.
    """
    train = take_split(read_table(scans, SCANS), "train")
    places = np.linspace(0, len(train) - 1, min(MOST_SCANS, len(train))).round().astype(int)
    chosen = train.iloc[np.unique(places)].reset_index(drop=True)
    tally = Tally("looking at training scans", len(chosen))
    looks = [
        look_at(load_volume(derivatives / name).numpy()) for name in tally.over(chosen["volume"])
    ]
    codes, subjects = read_embeddings(embeddings, chosen), chosen["participant_id"].tolist()
    familiar = fit_familiar(looks, codes, subjects)
    if familiar is None:
        logging.warning("too few training subjects to say what is usual: no shift scores")
    shares = [look.numbers[0] for look in looks]
    note_read(probes)
    agreed = contracts.Contract(
        format=1,
        scan=contracts.describe_scans(
            derivatives / chosen.iloc[0]["volume"],
            share=(min(shares) / MARGIN, min(1.0, max(shares) * MARGIN)),
            preprocessing=settings.preprocessing,
            quality=settings.quality,
        ),
        models=contracts.weights_of(models),
        probes=sha256(probes),
        sampling=settings.sampling,
        training=familiar,
    )
    contracts.write_contract(contract, agreed)
    logging.info("contract %s of %d training scans", agreed.sha256[:12], len(chosen))
