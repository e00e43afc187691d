"""How large a cohort is: as far as the configuration says before there is one, or as it is."""

from dataclasses import dataclass
from math import ceil, comb
from statistics import mean

import pandas as pd

from ldae import config

SCANS = 12_000  # T1-weighted sessions of ADNI, about
VISITS = 5  # of a subject of ADNI, about
TRAP_SCANS = 35  # that traps leave usable, about


@dataclass(frozen=True)
class CohortSize:
    """Counts of scans, but for `test_subjects` and `triplets` (of sessions of a test subject)."""

    scans: int
    train: int
    validation: int
    test: int
    test_subjects: int
    triplets: int


def expected_size(settings: config.Results, scans: int | None = None) -> CohortSize:
    """Before there is a cohort; of `scans`, else of what the configuration makes, else of ADNI."""
    visits, synthetic = [VISITS], settings.synthetic
    if settings.cohort.source == "synthetic":
        fewest, most = synthetic.visits_per_subject
        visits = [*range(fewest, most + 1)]
        made = round(mean(visits) * sum(synthetic.subjects.values()))
        scans = scans or made + (TRAP_SCANS if synthetic.traps else 0)
    scans = scans or SCANS
    train = ceil(scans * (1 - settings.split.validation - settings.split.test))
    test = round(scans * settings.split.test)
    subjects = max(1, round(test / mean(visits)))
    return CohortSize(
        scans=scans,
        train=train,
        validation=max(0, scans - train - test),
        test=test,
        test_subjects=subjects,
        triplets=round(subjects * mean(comb(each, 3) for each in visits)),
    )


def size_of(scans: pd.DataFrame) -> CohortSize:
    """Of a table of scans (`cohort/scans.parquet`)."""
    test = scans[scans["split"] == "test"]
    visits = test.groupby("participant_id")["months"].nunique()
    count = scans["split"].value_counts()
    return CohortSize(
        scans=len(scans),
        **{side: int(count.get(side, 0)) for side in ("train", "validation", "test")},
        test_subjects=len(visits),
        triplets=sum(comb(int(each), 3) for each in visits),
    )
