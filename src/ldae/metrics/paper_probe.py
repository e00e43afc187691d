"""Linear probes as the paper's code trains them, so that its numbers have like ones beside them.

A linear layer on codes standardised by the scans it learns from, trained in batches of 32 at a
learning rate of 0.001 on 70 % of the scans; the epoch kept is the best on the other 30 %, drawn by
scan, so that visits of a subject face each other. AD vs CN: Adam, 200 epochs, best by MCC; age:
plain gradient descent, 1000 epochs, best by squared error, ages scaled to [0, 1]. Unlike there, the
scale comes from training scans alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from sklearn.metrics import matthews_corrcoef
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.nn import functional as F

from ldae.metrics.probe import Lesson, LinearProbe, TooFewSubjects
from ldae.metrics.statistics import Array

HELD_OUT = 0.3
BATCH = 32
LEARNING_RATE = 1e-3
SEED = 42
DIAGNOSIS_EPOCHS, AGE_EPOCHS = 200, 1000


@dataclass(frozen=True)
class _Recipe:
    """`badness` judges scores (epochs, N) against the truth (N,): one number per epoch."""

    criterion: Callable[[Tensor, Tensor], Tensor]
    badness: Callable[[Tensor, Tensor], list[float]]
    optimiser: Callable[..., torch.optim.Optimizer]
    epochs: int


def fit_diagnosis_as_paper(lesson: Lesson) -> LinearProbe:
    """Logistic regression of the target `(N,)`, which is true or false.

    Raises:
        TooFewSubjects: the scans are all of one class.
    """
    truth = np.asarray(lesson.target, np.float64)
    if len(np.unique(truth)) < 2:
        raise TooFewSubjects("a probe needs training scans of both classes, found one class only")
    loss = F.binary_cross_entropy_with_logits
    recipe = _Recipe(loss, _against_mcc, torch.optim.Adam, epochs=DIAGNOSIS_EPOCHS)
    return _train(lesson, truth, recipe)


def fit_age_as_paper(lesson: Lesson) -> LinearProbe:
    """Least squares of the target `(N,)`, ages.

    Raises:
        TooFewSubjects: there are fewer than two ages.
    """
    ages = np.asarray(lesson.target, np.float64)
    if len(np.unique(ages)) < 2:
        raise TooFewSubjects("a probe needs two training scans of different ages at least")
    youngest, span = float(ages.min()), float(np.ptp(ages))
    recipe = _Recipe(F.mse_loss, _squared_error, torch.optim.SGD, epochs=AGE_EPOCHS)
    probe = _train(lesson, (ages - youngest) / span, recipe)
    return replace(
        probe,
        weight=tuple(span * weight for weight in probe.weight),
        bias=span * probe.bias + youngest,
    )


def _train(lesson: Lesson, truth: Array, recipe: _Recipe) -> LinearProbe:
    """The best epoch of a linear layer."""
    seed = SEED if lesson.seed is None else lesson.seed
    learnt, held_out = train_test_split(
        np.arange(len(truth)), test_size=HELD_OUT, random_state=seed
    )
    scaler = StandardScaler().fit(lesson.codes[learnt])
    standardised = torch.from_numpy(scaler.transform(lesson.codes)).float()
    inputs = F.pad(standardised, (0, 1), value=1.0)  # the weight of this one is the bias
    wanted = torch.from_numpy(truth).float()
    weights = _weights(inputs[learnt], wanted[learnt], recipe, torch.Generator().manual_seed(seed))
    badness = recipe.badness(weights @ inputs[held_out].T, wanted[held_out])
    *weight, bias = weights[min(range(recipe.epochs), key=badness.__getitem__)].tolist()
    return LinearProbe(
        mean=tuple(scaler.mean_.tolist()),
        std=tuple(scaler.scale_.tolist()),
        weight=tuple(weight),
        bias=bias,
        regularisation=0.0,
    )


def _weights(x: Tensor, wanted: Tensor, recipe: _Recipe, generator: torch.Generator) -> Tensor:
    """The weights of `x` (N, W) after each epoch, (epochs, W).

    A step takes a tenth of a millisecond; a `DataLoader` would take longer than that.
    """
    linear = nn.Linear(x.shape[1], 1, bias=False)
    bound = (x.shape[1] - 1) ** -0.5  # as torch does, but of this generator
    nn.init.uniform_(linear.weight, -bound, bound, generator=generator)
    optimiser = recipe.optimiser(linear.parameters(), lr=LEARNING_RATE)
    weights = []
    for _ in range(recipe.epochs):
        order = torch.randperm(len(x), generator=generator)
        batches = (torch.split(of[order], BATCH) for of in (x, wanted[:, None]))
        for inputs, truth in zip(*batches, strict=True):
            optimiser.zero_grad()
            torch.autograd.backward(recipe.criterion(linear(inputs), truth))
            optimiser.step()
        weights.append(linear.weight.detach().clone())
    return torch.cat(weights)


def _against_mcc(scores: Tensor, truth: Tensor) -> list[float]:
    """Epochs often answer alike, and each answer is judged once."""
    answers, given = torch.unique(scores > 0, dim=0, return_inverse=True)
    against = [-float(matthews_corrcoef(truth > 0.5, answer)) for answer in answers]
    return [against[answer] for answer in given]


def _squared_error(scores: Tensor, truth: Tensor) -> list[float]:
    errors: list[float] = (scores - truth).square().mean(dim=1).tolist()
    return errors
