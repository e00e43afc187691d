"""What supervised networks say of scans, as a table."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ldae.errors import UserError
from ldae.tables import KEYS, SUPERVISED_PREDICTIONS, read_table, scan_names


def read_predictions(path: Path, rows: pd.DataFrame) -> NDArray[np.float64]:
    """Probabilities of AD, or ages in years, `(N,)` of the scans of `rows`, in their order.

    Raises:
        UserError: the file is no table of predictions, or lacks a scan.
    """
    told = read_table(path, SUPERVISED_PREDICTIONS).set_index(KEYS)["prediction"]
    found = told.reindex(pd.MultiIndex.from_frame(rows[KEYS])).to_numpy(np.float64)
    if np.isnan(found).any():
        missing = scan_names(rows[np.isnan(found)])
        raise UserError(
            f"{path}: no prediction for {missing[0]} and {len(missing) - 1} more scans; "
            "remake it (ldae predict-supervised)"
        )
    return np.asarray(found)
