"""Synthetic brains: the template's tissue, changed by age and disease, inside a skull.

A brain is described by a few numbers (`Brain`) and looked up at any point (`tissue`), so that one
head can be scanned in any pose and at any voxel size. Positions are millimetres of MNI space (RAS).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.interpolate import CubicSpline

from ldae.cohort.clinic import Subject
from ldae.cohort.template import HIGH, LOW, SHELL_DEPTHS, SPACING, Array, Template

CENTRE = (0.0, -16.0, 14.0)  # mm, middle of the head
WARP_SPACING = 8.0  # mm, of the displacement fields
HEAD_DISTANCE = 20.0  # mm outside the brain, beyond which there is only air
NECK = -60.0  # mm: the skull and scalp fade out below
_STREAM = 1  # of a subject's random numbers


@dataclass(frozen=True)
class Brain:
    """One brain on one day."""

    ventricle_push: float  # mm by which the ventricles' walls move outwards
    cortical_loss: float  # fraction of cortical grey matter
    hippocampal_loss: float  # fraction of hippocampal grey matter
    csf: float  # T1 signals
    grey: float
    white: float
    scale: tuple[float, float, float]  # size along each axis, relative to the template
    warp: Array  # (3, X, Y, Z) mm on the grid of `warp_shape`: who this is


@dataclass(frozen=True)
class Tissue:
    """What lies at N points; fractions of the voxel."""

    csf: Array
    grey: Array
    white: Array
    skull: Array  # signal of skull, scalp and the fluid under them


def brains(subject: Subject, *, seed: int) -> Iterator[Brain]:
    """The subject's brain at each visit: one shape that ages and drifts, 0.25 mm per root year."""
    rng = np.random.default_rng([seed, subject.rid, _STREAM])
    size = np.clip(rng.normal(1, 0.05), 0.9, 1.1) * (1 + rng.normal(0, 0.015, 3))
    warp = 1.0 * _displacement(rng, (5, 6, 5)) + 0.4 * _displacement(rng, (9, 11, 9))
    years = subject.visits[0].years
    for visit in subject.visits:
        drift = 0.25 * max(visit.years - years, 0) ** 0.5
        years = visit.years
        warp = (warp + drift * _displacement(rng, (5, 6, 5))).astype(np.float32)
        csf, grey = rng.normal([0.26, 0.65], 0.01)
        yield Brain(
            ventricle_push=visit.ventricle_push,
            cortical_loss=visit.cortical_loss,
            hippocampal_loss=visit.hippocampal_loss,
            csf=float(csf),
            grey=float(grey),
            white=visit.white_signal,
            scale=(float(size[0]), float(size[1]), float(size[2])),
            warp=warp,
        )


def tissue(template: Template, brain: Brain, points: Array) -> Tissue:
    """Look up what lies at `points` (3, N), in mm of the head: MNI space scaled to this head."""
    centre = np.array(CENTRE, np.float32)[:, None]
    scale = np.array(brain.scale, np.float32)[:, None]
    points = (points - centre) / scale + centre
    near = _nearest(template.distance, points) < HEAD_DISTANCE
    head = points[:, near]
    head = head + np.stack([_sample(part, head, WARP_SPACING) for part in brain.warp])
    distance = _sample(template.distance, head, SPACING)
    inner = distance < 6
    inside = head[:, inner]
    push = np.stack([_sample(part, inside, SPACING) for part in template.expansion])
    inside = inside - brain.ventricle_push * push

    grey, white, whole, rim, hippocampi = (
        _sample(part, inside, SPACING)
        for part in (
            template.grey,
            template.white,
            template.brain,
            template.rim,
            template.hippocampi,
        )
    )
    loss = brain.hippocampal_loss * hippocampi
    grey = grey * np.clip(1 - 1.6 * brain.cortical_loss * rim, 0, 1) * (1 - loss)
    white = white * (1 - 0.35 * loss)
    csf = np.maximum(whole - grey - white, 0)

    skull = np.interp(distance, SHELL_DEPTHS, template.shell).astype(np.float32)
    skull *= 1 / (1 + np.exp((NECK - head[2]) / 4))
    skull[inner] *= 1 - whole
    within = near.copy()
    within[near] = inner
    return Tissue(
        csf=_scatter(csf, within),
        grey=_scatter(grey, within),
        white=_scatter(white, within),
        skull=_scatter(skull, near),
    )


def warp_shape() -> tuple[int, int, int]:
    """Shape of the grid on which displacements are kept: it covers the template's box."""
    x, y, z = (np.subtract(HIGH, LOW) / WARP_SPACING).astype(int) + 1
    return int(x), int(y), int(z)


def smooth_field(
    rng: np.random.Generator, *, shape: tuple[int, int, int], nodes: tuple[int, int, int]
) -> Array:
    """Draw a smooth random field of `shape` with unit variance, a spline through `nodes` points."""
    field = rng.standard_normal(nodes)
    for size, count in zip(shape, nodes, strict=True):
        # one axis after the other; einsum, since the threads of a matrix product cost more here
        field = np.einsum("sn,nyz->yzs", _spline(size, count), field)
    return field.astype(np.float32)


@cache
def _spline(size: int, nodes: int) -> NDArray[np.float64]:
    """(size, nodes): cubic interpolation of unit-variance values at the nodes, to unit variance."""
    at_nodes = CubicSpline(np.linspace(0, 1, nodes), np.eye(nodes))
    weights = at_nodes(np.linspace(0, 1, size))
    return np.asarray(weights / np.sqrt((weights**2).sum(1).mean()))


def _displacement(rng: np.random.Generator, nodes: tuple[int, int, int]) -> Array:
    """A smooth random displacement (3, X, Y, Z) of 1 mm standard deviation along each axis."""
    return np.stack([smooth_field(rng, shape=warp_shape(), nodes=nodes) for _ in range(3)])


def _nearest(values: Array, points: Array) -> Array:
    index = np.rint((points - np.array(LOW, np.float32)[:, None]) / SPACING).astype(np.intp)
    index = np.clip(index, 0, np.array(values.shape)[:, None] - 1)
    return np.asarray(values[tuple(index)])


def _sample(values: Array, points: Array, spacing: float) -> Array:
    index = (points - np.array(LOW, np.float32)[:, None]) / np.float32(spacing)
    # beyond the box its border goes on: zeros there would read as "no distance to the brain"
    return np.asarray(
        ndimage.map_coordinates(values, index, order=1, mode="nearest", output=np.float32)
    )


def _scatter(values: Array, where: NDArray[np.bool_]) -> Array:
    whole = np.zeros(where.shape, np.float32)
    whole[where] = values
    return whole
