"""The semantic encoder trained for one question: a linear head on its code."""

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from ldae.models.build import SemanticNetwork, build_semantic_encoder
from ldae.models.stored import frozen, require_kind, stored_encoder, stored_key, stored_shape
from ldae.weights.folder import load_model_config, load_weights

Task = Literal["diagnosis", "age"]


@dataclass(frozen=True)
class SupervisedEncoder:
    """A trained network (B, 1, X, Y, Z) to scores (B,), and what its scores mean.

    A score is the logit of AD, or an age in units of `std` years from `mean` years.
    """

    network: nn.Module
    task: Task
    mean: float
    std: float
    device: torch.device

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """For volumes (B, 1, X, Y, Z) in [0, 1] the probability of AD, or years, (B,)."""
        score: Tensor = self.network(x.to(self.device)).float()
        return score.sigmoid() if self.task == "diagnosis" else self.mean + self.std * score


def with_head(semantic_encoder: SemanticNetwork, embedding_dim: int) -> nn.Sequential:
    """The encoder and an untrained linear head: volumes (B, 1, X, Y, Z) to scores (B,)."""
    parts = {
        "semantic_encoder": semantic_encoder,
        "head": nn.Linear(embedding_dim, 1),
        "flatten": nn.Flatten(0),
    }
    return nn.Sequential(OrderedDict(parts))


def load_supervised(folder: Path, *, device: torch.device | None = None) -> SupervisedEncoder:
    """Rebuild the network that `train_supervised` wrote to `folder`.

    Raises:
        UserError: the folder is incomplete, or holds another kind of model.
    """
    stored = load_model_config(folder)
    task: Task = "age" if stored.get("model") == "supervised-age" else "diagnosis"
    require_kind(stored, f"supervised-{task}", folder)
    encoder = stored_encoder(stored, folder)
    volume_shape = stored_shape(stored_key(stored, "volume_shape", folder))
    network = with_head(build_semantic_encoder(encoder, volume_shape), encoder.embedding_dim)
    load_weights(folder, network)
    target = device or torch.device("cpu")
    return SupervisedEncoder(
        network=frozen(network, target),
        task=task,
        mean=stored_key(stored, "target_mean", folder),
        std=stored_key(stored, "target_std", folder),
        device=target,
    )
