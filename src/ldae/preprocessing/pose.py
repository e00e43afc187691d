"""Where the template lies in a raw head: the synthetic head aligned to it, coarse to fine.

Every attempt is judged by the correlation between head and synthetic head inside the zone that
excludes face and neck; a poor one is followed by the next, costlier strategy.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ldae.preprocessing.bias import head_mask
from ldae.preprocessing.failure import ScanError
from ldae.preprocessing.images import Image, Matrix, coarsen, pearson, resample
from ldae.preprocessing.linear import Step, register
from ldae.preprocessing.template import Head, load_head, load_template

log = logging.getLogger(__name__)

POSE_MM = 4.0  # finer voxels cost more and place the template no better
FIRST_MM = 8.0
SLAB_MM = 110.0  # below the vertex, above the neck of any adult
PIVOT_MM = 80.0  # below the vertex, near the centre of the brain
PITCHES = (0.0, 15.0, -15.0)  # degrees of nodding to start from
CONVINCING = 0.72  # correlation at which a cheap attempt is believed
ACCEPTABLE = 0.7  # real heads in the right pose reach .72 to .80, in a wrong one .50 to .66
MIN_CORRELATION = 0.45  # below it there is no head in the image
WRONG_CONTRAST = -0.2  # correlation inside the brain; real heads, even ill-posed, stay above 0.2
PURE_BRAIN = 0.95  # share of a voxel
CUT_VERTEX_CM2 = 60.0  # of tissue in the uppermost slice
HOPELESS = 0.3  # below this no other start is worth its time

QUICK = (
    Step("Rigid", iterations=(20,), shrink=(1,), blur=(0,), sampled=0.3),
    Step("Affine", iterations=(40,), shrink=(1,), blur=(0,), sampled=0.3),
)
POLISH = (Step("Affine", iterations=(30, 20), shrink=(2, 1), blur=(1, 0), sampled=0.25),)
THOROUGH = tuple(
    Step(kind, iterations=(100, 100, 50), shrink=(3, 2, 1), blur=(2, 1, 0), sampled=0.5)
    for kind in ("Rigid", "Similarity", "Affine")
)


@dataclass(frozen=True)
class Pose:
    """The matrix from head to template millimetres, and how well the synthetic head then fits."""

    mapping: Matrix
    correlation: float


def find_pose(head: Image) -> Pose:
    """The best of the attempts, stopping at the first that is good enough for its strategy.

    Raises:
        ScanError: nothing like a T1-weighted head is there.
    """
    working = coarsen(head, POSE_MM)
    template = load_head(POSE_MM)
    best: Pose | None = None
    for number, (mapping, enough) in enumerate(_attempts(working), start=1):
        pose = Pose(mapping, _correlation(working, template, mapping))
        log.debug("pose attempt %d: correlation %.3f", number, pose.correlation)
        if best is None or pose.correlation > best.correlation:
            best = pose
        if best.correlation >= enough:
            break
    assert best is not None
    _require_head(working, best)
    return best


def _attempts(head: Image) -> Iterator[tuple[Matrix, float]]:
    """Mappings to judge, each with the correlation that makes the next unnecessary."""
    first, coarse = coarsen(head, FIRST_MM), load_head(FIRST_MM)
    fine = load_head(POSE_MM)
    level = _start(head, PITCHES[0])
    quick = [_register(first, coarse, level, QUICK)]
    yield quick[0], CONVINCING
    starts = [level, *(_start(head, pitch) for pitch in PITCHES[1:])]
    quick += [_register(first, coarse, start, QUICK) for start in starts[1:]]
    best = max(quick, key=lambda mapping: _correlation(first, coarse, mapping))
    polished = _register(head, fine, best, POLISH)
    yield polished, ACCEPTABLE
    if _correlation(head, fine, polished) < HOPELESS:
        return
    for start in starts:
        yield _register(head, fine, start, THOROUGH), ACCEPTABLE


def _register(head: Image, template: Head, start: Matrix, steps: tuple[Step, ...]) -> Matrix:
    return register(head, template.image, start=start, steps=steps, moving_zone=template.zone)


def _start(head: Image, pitch_degrees: float) -> Matrix:
    """Vertex on vertex, middle on middle, the same width, nodded about the brain's centre."""
    vertex, width = _crown(head)
    template_vertex, template_width = _crown(load_head(POSE_MM).image)
    scale = template_width / width
    cosine, sine = np.cos(np.radians(pitch_degrees)), np.sin(np.radians(pitch_degrees))
    linear = scale * np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    mapping = np.eye(4)
    mapping[:3, :3] = linear
    pivot = vertex - [0, 0, PIVOT_MM]
    mapping[:3, 3] = template_vertex - [0, 0, scale * PIVOT_MM] - linear @ pivot
    return mapping


def _crown(head: Image) -> tuple[Matrix, float]:
    """The point (3,) above the head's middle at the vertex's height, and the head's width, mm."""
    tissue = ndimage.binary_opening(head_mask(head))
    area = tissue.sum(axis=(0, 1)) * head.spacing[0] * head.spacing[1]
    top = int(np.flatnonzero(area >= min(1000.0, area.max()))[-1])
    bottom = max(0, top - int(SLAB_MM / head.spacing[2]))
    middle = ndimage.center_of_mass(tissue[:, :, bottom : top + 1].sum(axis=2) + 1e-6)
    vertex = head.affine[:3, :3] @ [*middle, top] + head.affine[:3, 3]
    widest = np.sort(area[bottom : top + 1])[-5:].mean()
    return vertex, float(np.sqrt(max(widest, 1.0)))


def _require_head(head: Image, pose: Pose) -> None:
    """Refuse what is no T1-weighted head; registration by information finds T2's pose as well."""
    if pose.correlation >= ACCEPTABLE:
        return
    contrast = _contrast(head, pose.mapping)
    if contrast < WRONG_CONTRAST:
        raise ScanError(
            "wrong-contrast",
            f"light and dark are swapped inside the brain (correlation {contrast:.2f}): "
            "not T1-weighted, or inverted",
        )
    if pose.correlation >= MIN_CORRELATION:
        return
    tissue = ndimage.binary_opening(head_mask(head), iterations=3)  # noise is not solid
    top = float(tissue[:, :, -1].sum() * np.prod(head.spacing[:2]) / 100)
    if top > CUT_VERTEX_CM2:
        raise ScanError("cut-head", f"the image ends below the vertex, in {top:.0f} cm² of tissue")
    raise ScanError(
        "no-head", f"nothing looks like a T1-weighted head (correlation {pose.correlation:.2f})"
    )


def _contrast(head: Image, mapping: Matrix) -> float:
    """Pearson correlation of head and template where the template has nothing but brain."""
    brain = resample(load_template(POSE_MM).mask, head, mapping).data > PURE_BRAIN
    expected = resample(load_head(POSE_MM).image, head, mapping).data
    return pearson(head.data[brain], expected[brain], otherwise=0.0)


def _correlation(head: Image, template: Head, mapping: Matrix) -> float:
    """Pearson correlation inside the zone; bright fat is capped, since its signal varies."""
    zone = resample(template.zone, head, mapping).data > 0.5
    if not zone.any():
        return -1.0
    seen = np.minimum(head.data[zone], np.percentile(head.data[zone], 98))
    return pearson(seen, resample(template.image, head, mapping).data[zone], otherwise=-1.0)
