"""Validation of trainings with a semantic code: their loss, and whether the code is alive."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from ldae.metrics.codes import code_statistics, has_collapsed
from ldae.metrics.gain import gain_by_time
from ldae.training.batches import Batch, FixedBatches
from ldae.training.ranks import spread


@dataclass(frozen=True)
class CodeValidation:
    """The loss on held-out scans, and whether the codes say anything of them.

    Attributes:
        name: the training's, in messages.
        semantic_encoder: volumes (B, 1, X, Y, Z) to codes (B, E).
        given_code: losses (B,) given codes and the tensors of a batch.
        without_code: the same without codes, which training does not change; None: there is no
            such thing, and gains are shares of the loss given a wrong code.
        volumes: of the held-out scans.
        batches: of the same scans, their noise and times.
        scans: their names.
        partners: for each of them one of another subject; empty where there is only one subject.
        timesteps: T.
        fabric: shares the work among ranks.
    """

    name: str
    _: KW_ONLY
    semantic_encoder: nn.Module
    given_code: Callable[..., Tensor]
    without_code: Callable[..., Tensor] | None
    volumes: Sequence[Tensor]
    batches: FixedBatches
    scans: list[str]
    partners: list[int]
    timesteps: int
    fabric: Fabric

    def __call__(self) -> dict[str, float]:
        """`loss`, and what to watch beside it."""
        codes = torch.cat(spread(self.fabric, self.volumes, self._code)).to(self.fabric.device)
        each = spread(self.fabric, self.batches, lambda batch: self._losses(batch, codes))
        right, wrong, t = torch.cat(each, dim=1)
        measured = {"loss": float(right.mean()), **code_statistics(codes.cpu())}
        if self.partners:
            measured["shuffled_loss_ratio"] = float(wrong.mean()) / measured["loss"]
            measured |= gain_by_time(
                right=right,
                wrong=wrong,
                without=wrong if self._without is None else self._without,
                t=t.long(),
                timesteps=self.timesteps,
            )
        if has_collapsed(measured, scans=len(codes)):
            logging.warning(
                "%s: the semantic code has collapsed (effective rank %.2f, variance %.1e); set "
                "%s.semantic_encoder.standardise, or lower the learning rate",
                *(self.name, measured["code_effective_rank"], measured["code_variance"]),
                self.name.replace("-", "_"),
            )
        return measured

    @cached_property
    def _without(self) -> Tensor | None:
        """The losses without codes, which stay the same."""
        without_code = self.without_code
        if without_code is None:
            return None

        def losses(batch: Batch) -> Tensor:
            return without_code(**batch.to(self.fabric.device).tensors)

        return torch.cat(spread(self.fabric, self.batches, losses))

    def _code(self, volume: Tensor) -> Tensor:
        code: Tensor = self.semantic_encoder(volume[None, None].to(self.fabric.device))
        return code.float()

    def _losses(self, batch: Batch, codes: Tensor) -> Tensor:
        """Losses given the right and a wrong code, and the times, as (3, B)."""
        given = batch.to(self.fabric.device).tensors
        scans = [self.scans.index(name) for name in batch.names]
        right = wrong = self.given_code(codes[scans], **given)
        if self.partners:
            others = codes[[self.partners[scan] for scan in scans]]
            wrong = self.given_code(others, **given)
        return torch.stack([right, wrong, given["t"].float()])
