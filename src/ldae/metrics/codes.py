"""Is a semantic code alive? A collapsed one can still look good to a probe that standardises it."""

import torch
from torch import Tensor


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
