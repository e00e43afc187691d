"""How much better samples of a scan's own semantic code are than those of another subject's."""

import pandas as pd
from torch import Tensor

from ldae.metrics.image import ssim_map
from ldae.tables import KEYS


def stored_margins(scored: pd.DataFrame, model: str) -> pd.DataFrame:
    """The `margin` of each scan in `tables/reconstruction.parquet`; no rows where it is not."""
    starts = scored["start"].isin(["semantic", "wrong-subject"])
    sampled = scored[starts & (scored["model"] == model)]
    both = sampled.loc[sampled["start"] == "wrong-subject", "steps"].max()
    last = sampled[sampled["steps"] == both]
    paired: pd.DataFrame = last.pivot_table(index=KEYS, columns="start", values="ssim")
    if paired.shape[1] < 2:
        return pd.DataFrame()
    paired["margin"] = paired["semantic"] - paired["wrong-subject"]
    return paired.reset_index()


def ssim_margins(right: Tensor, wrong: Tensor, x: Tensor, *, window: int) -> Tensor:
    """SSIM of samples `right` with volumes `x` (B, 1, X, Y, Z) less that of `wrong`, `(B,)`."""
    own, other = (
        ssim_map(volumes.clamp(0, 1), x, window=window).flatten(1).mean(dim=1)
        for volumes in (right, wrong)
    )
    return own - other
