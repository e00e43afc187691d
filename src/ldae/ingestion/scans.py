"""The table of scans: what is known of each converted scan on the day it was made."""

import pandas as pd

from ldae.tables import INGESTED, KEYS

OF_THE_IMAGE = ("image", "image_sha256")
BETTER_KNOWN_BY_THE_IMAGE = ("field_strength", "manufacturer")


def tabulate_scans(planned: pd.DataFrame, tried: pd.DataFrame) -> pd.DataFrame:
    """One row per scan in the dataset, with the columns of `INGESTED`, by participant and session.

    Args:
        planned: every image found, with the columns of `PLANNED`.
        tried: the images of which a conversion was tried, with the columns of `CONVERTED`.
    """
    used = tried.loc[tried["image"].notna(), ["place", *OF_THE_IMAGE, *BETTER_KNOWN_BY_THE_IMAGE]]
    scans = planned.merge(used, on="place", suffixes=("_listed", ""), validate="one_to_one")
    for name in BETTER_KNOWN_BY_THE_IMAGE:
        scans[name] = scans[name].where(scans[name].notna(), scans[f"{name}_listed"])
    known: pd.DataFrame = scans[INGESTED.names]
    return known.sort_values(KEYS, ignore_index=True)
