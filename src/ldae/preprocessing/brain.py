"""Which voxels are brain: the template's mask in the head's pose, then decided by the tissue.

1. The synthetic head finds its pose (`pose`), which carries the template's mask to the head.
2. In a band around that mask three-class k-means tells grey and white matter from CSF and bone;
   an opening cuts what hangs on thin bridges (dura, nerves, veins), the largest part is kept,
   sulci and ventricles are closed, and a rim of CSF is added.
3. The brain so found is registered to the template alone: a second prior. The refinement hardly
   depends on its prior (Dice 0.997 from very different ones), so disagreement is failure.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ldae.preprocessing.failure import ScanError
from ldae.preprocessing.images import Array, Image, Mask, Matrix, around, coarsen, resample
from ldae.preprocessing.linear import Step, register
from ldae.preprocessing.pose import MIN_CORRELATION, POSE_MM, find_pose
from ldae.preprocessing.template import load_template

GROW_MM = 5.0  # how far outside the prior tissue may be brain
SURROUNDINGS_MM = 15.0  # around the prior: room to grow and to be closed
CORE_MM = 10.0  # this deep inside the prior everything is brain
OPENING_MM = 3.0
CLOSING_MM = 6.0  # bridges sulci
DARKEST_TISSUE = 0.7  # of grey matter's signal: about half a voxel of it beside bone or CSF
RIM_MM = 1.0  # of CSF around the cortex
SMOOTH_MM = 1.5
MAX_STRIPPED_FRACTION = 0.7  # of voxels above zero, in an image said to be stripped
PLAUSIBLE_ML = (600.0, 2800.0)  # outside lies no human brain, whatever the study's own thresholds
MIN_AGREEMENT = 0.9  # Dice between the two refinements

SECOND_MM = 8.0  # voxels on which the second prior is found
ALIGN_BRAIN = (Step("Affine", iterations=(30,), shrink=(1,), blur=(0,), sampled=0.3),)
FROM_MIDDLE = tuple(
    Step(kind, iterations=(100,), shrink=(1,), blur=(1,), sampled=0.5)
    for kind in ("Rigid", "Similarity")
)


@dataclass(frozen=True)
class Brain:
    """The mask on the image's own grid (0 or 1), the affine, and figures for the sidecar."""

    mask: Image
    mapping: Matrix  # template to head, millimetres
    figures: dict[str, float]


def extract_brain(image: Image, resolution_mm: float) -> Brain:
    """Find the brain of a bias-corrected head, working on voxels of `resolution_mm`.

    Raises:
        ScanError: no head is recognised, or what was found cannot be a brain.
    """
    head = coarsen(image, resolution_mm)
    pose = find_pose(head)
    if pose.correlation < MIN_CORRELATION:
        raise ScanError(
            "no-head",
            f"nothing looks like a T1-weighted head (correlation {pose.correlation:.2f})",
        )
    head = _surroundings(head, pose.mapping)
    first = _refine(head, pose.mapping)
    mapping = register(
        load_template(SECOND_MM).brain,
        coarsen(head.with_data(head.data * first), SECOND_MM),
        start=np.linalg.inv(pose.mapping),
        steps=ALIGN_BRAIN,
    )
    second = _refine(head, np.linalg.inv(mapping))
    agreement = dice(first, second)
    if agreement < MIN_AGREEMENT:
        raise ScanError("brain-uncertain", f"two passes agree only to a Dice of {agreement:.2f}")
    mask = resample(head.with_data(_distance(second, head)), image).data < RIM_MM
    brain = image.with_data(largest_part(mask))
    volume = volume_ml(brain)
    if not PLAUSIBLE_ML[0] <= volume <= PLAUSIBLE_ML[1]:
        raise ScanError("brain-implausible", f"{volume:.0f} ml")
    figures = {"pose_correlation": pose.correlation, "pass_agreement_dice": agreement}
    return Brain(brain, mapping, figures)


def whole_image(image: Image) -> Brain:
    """For images stripped before: the brain is every voxel above zero.

    Raises:
        ScanError: most of the image is above zero, so that it cannot have been stripped.
    """
    mask = image.with_data(image.data > 0)
    if mask.data.mean() > MAX_STRIPPED_FRACTION:
        raise ScanError("not-stripped", f"{mask.data.mean():.0%} of the voxels are above zero")
    target = load_template(SECOND_MM).brain
    start = np.eye(4)
    start[:3, 3] = _middle(mask) - _middle(target)
    mapping = register(
        target, coarsen(image, SECOND_MM), start=start, steps=(*FROM_MIDDLE, *ALIGN_BRAIN)
    )
    return Brain(mask, mapping, {})


def _middle(image: Image) -> Matrix:
    voxels = ndimage.center_of_mass(image.data)
    return np.asarray(image.affine[:3, :3] @ voxels + image.affine[:3, 3])


def _surroundings(head: Image, mapping: Matrix) -> Image:
    """The part of the head that can matter, which makes every later step cheaper."""
    prior = resample(load_template(POSE_MM).mask, head, mapping).data > 0.5
    if not prior.any():
        raise ScanError("no-head", "the template ends up outside the image")
    return around(head, prior, SURROUNDINGS_MM)


def _refine(head: Image, mapping: Matrix) -> Mask:
    """Brain voxels of `head`, given the matrix from head to template millimetres."""
    prior = resample(load_template(POSE_MM).mask, head, mapping).data > 0.5
    inside = -_distance(prior, head)
    low, high = _tissue_range(head.data[inside > OPENING_MM])
    core = inside > min(CORE_MM, inside.max() / 2)
    tissue = ((head.data > low) & (head.data < high) & (inside > -GROW_MM)) | core
    opened = largest_part(_depth(tissue, head) > OPENING_MM, core)
    regrown = (_depth(~opened, head) <= OPENING_MM + head.spacing.max() * 0.75) & tissue
    grown = largest_part(regrown, core)
    width = [int(np.ceil(CLOSING_MM / step)) + 1 for step in head.spacing]
    wide = np.pad(grown, [(pad, pad) for pad in width])
    wide = ndimage.binary_fill_holes(_depth(~wide, head) <= CLOSING_MM)
    closed = _depth(wide, head) > CLOSING_MM
    inner = closed[tuple(slice(pad, -pad) for pad in width)]
    filled = ndimage.binary_fill_holes(inner | grown).astype(np.float32)
    return largest_part(ndimage.gaussian_filter(filled, SMOOTH_MM / head.spacing) > 0.5, core)


def _tissue_range(values: Array) -> tuple[float, float]:
    """Darkest and brightest signal of brain, from the k-means classes of grey and white matter."""
    if values.size < 100:
        raise ScanError("no-head", "the template ends up outside the image")
    centres = np.percentile(values, [5, 35, 80])
    for _ in range(30):
        nearest = np.digitize(values, (centres[1:] + centres[:-1]) / 2)
        centres = np.array(
            [values[nearest == k].mean() if (nearest == k).any() else centres[k] for k in range(3)]
        )
    _, grey, white = centres
    return DARKEST_TISSUE * float(grey), float(white + 1.5 * (white - grey))


def _depth(mask: Mask, image: Image) -> Array:
    """Distance in mm of every voxel of the mask to the nearest voxel outside it."""
    return np.asarray(ndimage.distance_transform_edt(mask, sampling=image.spacing))


def _distance(mask: Mask, image: Image) -> Array:
    """Signed distance in mm to the mask's surface, half-way between voxels; negative inside."""
    surface = np.where(mask, 0.5, -0.5) * image.spacing.mean()
    return np.asarray(_depth(~mask, image) - _depth(mask, image) + surface, dtype=np.float32)


def largest_part(mask: Mask, within: Mask | None = None) -> Mask:
    """The connected part of the mask with most voxels, or with most of the voxels of `within`."""
    labels, parts = ndimage.label(mask)
    if parts <= 1:
        return mask
    counts = np.bincount(labels[mask if within is None else mask & within], minlength=parts + 1)
    return np.asarray(labels == counts[1:].argmax() + 1)


def dice(one: Mask, other: Mask) -> float:
    """Overlap of two masks: twice the common voxels over the sum of both."""
    total = int(one.sum()) + int(other.sum())
    return 2.0 * int((one & other).sum()) / total if total else 0.0


def volume_ml(mask: Image) -> float:
    """Volume of the voxels above one half, in millilitres."""
    return float((mask.data > 0.5).sum() * np.prod(mask.spacing) / 1000)
