"""Is a semantic code alive? A collapsed one can still look good to a probe that standardises it."""

from collections.abc import Mapping

import torch
from torch import Tensor

# A code that has collapsed keeps a variance of about 1e-6 per dimension in one or two directions; a
# live one, 1 to 5 in about ten.
LEAST_VARIANCE = 0.01
LEAST_RANK = 2.0
LEAST_SCANS = 12  # for the rank, which N codes bound by N - 1; the variance takes two


def code_statistics(codes: Tensor) -> dict[str, float]:
    """Mean variance per dimension and effective rank of `codes` (N, E).

    The effective rank is the exponential of the entropy of the covariance's normalised eigenvalues
    (Roy and Vetterli 2007): E for equal variances, 1 when all codes lie on one line.
    """
    centred = (codes - codes.mean(0)).double()
    variance = centred.square().mean()
    eigenvalues = torch.linalg.svdvals(centred).square()
    shares = eigenvalues / eigenvalues.sum().clamp_min(torch.finfo(torch.float64).tiny)
    entropy = -(shares * shares.clamp_min(1e-30).log()).sum()
    return {"code_variance": float(variance), "code_effective_rank": float(entropy.exp())}


def has_collapsed(statistics: Mapping[str, float], *, scans: int) -> bool:
    """Whether `code_statistics` are those of a code that hardly tells scans apart, or undefined.

    Args:
        statistics: of the codes of so many `scans`.
        scans: fewer than `LEAST_SCANS` are judged by their variance alone, one not at all.
    """
    variance, rank = statistics["code_variance"], statistics["code_effective_rank"]
    constant = scans > 1 and not variance >= LEAST_VARIANCE
    flat = scans >= LEAST_SCANS and not rank >= LEAST_RANK
    return constant or flat
