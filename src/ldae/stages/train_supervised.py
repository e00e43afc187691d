"""Train the semantic encoder for one question: AD against CN, or age. The probes' ceiling."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from lightning.fabric import Fabric
from numpy.typing import NDArray
from sklearn.metrics import matthews_corrcoef
from torch import Tensor

from ldae import config
from ldae.data.examples import LabelledExamples
from ldae.data.training_scans import TrainingScans
from ldae.data.volumes import common_shape, voxel_spacing
from ldae.errors import UserError
from ldae.metrics.tasks import AD_VS_CN, AGE
from ldae.models.encoder import imagenet_name, new_encoder, standardise
from ldae.models.supervised import Task, with_head
from ldae.nets.recompute import recompute_activations
from ldae.objectives import SupervisedObjective
from ldae.runtime import seeded_generator, write_text
from ldae.training.batches import Batch, FixedBatches
from ldae.training.checkpoint import Checkpoint
from ldae.training.fabric import launch
from ldae.training.loop import fit
from ldae.training.progress import Verdict
from ldae.training.ranks import spread
from ldae.training.steps import GradientStep
from ldae.weights.folder import save_model
from ldae.weights.identity import published_sha256

QUESTIONS = {"diagnosis": AD_VS_CN, "age": AGE}
CRITERIA: dict[Task, Callable[..., Tensor]] = {
    "diagnosis": F.binary_cross_entropy_with_logits,
    "age": F.smooth_l1_loss,
}
BETTER = {"loss": 1, "mae": 1, "mcc": -1}  # times the measure: the smaller, the better


class Settings(config.Section):
    """What this stage reads of the configuration; of the two last, the one it is asked for."""

    seed: int
    pretrained: str | None
    supervised_diagnosis: config.SupervisedDiagnosis | None = None
    supervised_age: config.SupervisedAge | None = None


@dataclass(frozen=True)
class Scale:
    """How targets are put to the network: in units of `std` from `mean`."""

    mean: float
    std: float

    def of(self, targets: NDArray[np.float64]) -> list[float]:
        """Targets on that scale."""
        scaled: list[float] = ((targets - self.mean) / self.std).tolist()
        return scaled


@dataclass(frozen=True)
class Validation:
    """The loss on held-out scans, and the measure that is reported: MCC, or MAE in years."""

    objective: SupervisedObjective
    batches: FixedBatches
    task: Task
    scale: Scale
    fabric: Fabric

    def __call__(self) -> dict[str, float]:
        """`loss`, and `mcc` with the number of classes predicted, or `mae`."""
        each = spread(self.fabric, self.batches, self._measure)
        losses, scores, targets = torch.cat(each, dim=1).double().numpy()
        if self.task == "diagnosis":
            said = scores > 0
            score = {
                "mcc": float(matthews_corrcoef(targets > 0.5, said)),
                "predicted_classes": float(len(np.unique(said))),
            }
        else:
            score = {"mae": float(np.abs(scores - targets).mean()) * self.scale.std}
        return {"loss": float(losses.mean()), **score}

    def _measure(self, batch: Batch) -> Tensor:
        given = batch.to(self.fabric.device).tensors
        scores = self.objective.network(given["x"]).float()
        losses = self.objective.criterion(scores, given["target"], reduction="none")
        return torch.stack([losses, scores, given["target"]])


def train_supervised(
    *,
    scans: Path,
    derivatives: Path,
    task: Task,
    model: Path,
    state: Path,
    devices: int,
    threads: int,
    settings: Settings,
) -> None:
    """Train on the training subjects' volumes and write the model folder.

    Args:
        scans: table of scans with their side of the split.
        derivatives: folder the table's volumes are relative to.
        task: diagnosis: AD against CN, MCI left out; age: years, standardised on training scans.
        model: folder for weights.safetensors, config.json and train.jsonl.
        state: folder of the checkpoint, from which a killed training continues; beside it the
            unpacked volumes.
        devices: GPUs to train on (see `launch`); 0: the CPU.
        threads: CPU threads.
        settings: seed, pretrained, and supervised_diagnosis or supervised_age.

    Raises:
        UserError: the scans cannot teach it: none of them is labelled, or all of them alike.
    """
    checkpoint, name = Checkpoint(state), f"supervised-{task}"
    asked = _asked(settings, task)
    training, encoder = asked.training, asked.semantic_encoder
    used = settings.model_dump(mode="json", include={"seed", "pretrained", f"supervised_{task}"})
    fabric = launch(training, devices=devices, threads=threads)
    sides, question = TrainingScans.open(scans, derivatives, state=state), QUESTIONS[task]
    train, held_out = (
        side.where(question.eligible(side.rows)) for side in (sides.train, sides.validation)
    )
    truth, held_out_truth = (question.target(side.rows) for side in (train, held_out))
    _require_variety(truth, task, side="train", fewest=2)
    _require_variety(
        held_out_truth, task, side="validation", fewest=2 if asked.watch == "mcc" else 1
    )
    scale = Scale(0.0, 1.0)
    if task == "age":
        scale = Scale(float(truth.mean()), float(truth.std()))
    shape = common_shape(train.volumes)

    torch.manual_seed(seeded_generator(settings.seed, name).initial_seed())
    semantic_encoder = new_encoder(encoder, shape, pretrained=settings.pretrained, name=name)
    if training.activation_checkpointing:
        recompute_activations(semantic_encoder.blocks)
    objective = SupervisedObjective(
        with_head(semantic_encoder, encoder.embedding_dim), CRITERIA[task]
    )
    examples = LabelledExamples(held_out.volumes, held_out.names, scale.of(held_out_truth))
    outcome = fit(
        GradientStep(
            objective,
            objective.network,
            fabric=fabric,
            learning_rate=training.learning_rate,
            clip_norm=training.clip_norm,
        ),
        name=name,
        fabric=fabric,
        train=LabelledExamples(train.volumes, train.names, scale.of(truth)),
        validate=Validation(
            objective,
            FixedBatches(examples, training.batch_size, settings.seed),
            task,
            scale,
            fabric,
        ),
        settings=training,
        seed=settings.seed,
        checkpoint=checkpoint,
        origin={
            "settings": used,
            "imagenet": published_sha256(settings.pretrained, imagenet_name(encoder)),
            "train": train.hashes,
            "validation": held_out.hashes,
            "truth": [*truth.tolist(), *held_out_truth.tolist()],
        },
        prepare=lambda: standardise(semantic_encoder, train.volumes, name=name),
        judged_by=lambda measured: _verdict(measured, asked.watch),
    )
    if not fabric.is_global_zero:
        return
    write_text(model / "train.jsonl", outcome.journal.read_text(encoding="utf-8"))
    save_model(
        model,
        module_state=outcome.weights,
        config={
            "model": name,
            "network": encoder.model_dump(mode="json"),
            "volume_shape": list(shape),
            "spacing_mm": voxel_spacing(train.volumes.paths[0]),
            "target_mean": scale.mean,
            "target_std": scale.std,
            "settings": used,
            "fingerprint": outcome.fingerprint,
            "training": outcome.summary(),
        },
    )


def _asked(settings: Settings, task: Task) -> config.SupervisedDiagnosis | config.SupervisedAge:
    asked = settings.supervised_age if task == "age" else settings.supervised_diagnosis
    if asked is None:
        raise UserError(f"--settings: supervised_{task}: missing; --task {task} reads it")
    return asked


def _verdict(measured: dict[str, float], watch: str) -> Verdict:
    """By the measure watched; MCC is 0 for one class throughout, whatever training has learnt."""
    one_class = watch == "mcc" and measured["predicted_classes"] < 2
    return Verdict(
        BETTER[watch] * measured[watch],
        measured["loss"],
        undecided="all predictions are one class" if one_class else "",
    )


def _require_variety(truth: NDArray[Any], task: Task, *, side: str, fewest: int) -> None:
    """Refuse labels of which there are fewer than `fewest` different ones."""
    kinds = len(np.unique(truth))
    if kinds < fewest:
        labels = {"diagnosis": "a diagnosis of AD or CN", "age": "an age"}[task]
        raise UserError(
            f"supervised-{task}: {len(truth)} {side} scans have {labels}, {kinds} different; it "
            f"takes {fewest}: enlarge the cohort or that side (split:), or leave `supervised` out "
            "of `baselines`"
        )
