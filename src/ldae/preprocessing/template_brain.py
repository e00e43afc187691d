"""The brain by template and tissue: the template's mask in the head's pose, decided by signal.

1. The synthetic head finds its pose (`pose`), which carries the template's mask to the head.
2. In a band around that mask three-class k-means tells grey and white matter from CSF and bone;
   an opening cuts what hangs on thin bridges (dura, nerves, veins), the largest part is kept,
   sulci and ventricles are closed, and a rim of CSF is added.
3. The brain so found is registered to the template alone: a second prior. The refinement hardly
   depends on its prior (Dice 0.997 from very different ones), so disagreement is failure.
"""

import numpy as np
from scipy import ndimage

from ldae.preprocessing.alignment import align_brain
from ldae.preprocessing.brain import Brain, depth, dice, largest_part, signed_distance
from ldae.preprocessing.failure import ScanError
from ldae.preprocessing.images import Array, Image, Mask, Matrix, around, coarsen, resample
from ldae.preprocessing.pose import POSE_MM, find_pose
from ldae.preprocessing.template import load_template
from ldae.preprocessing.tissue import tissue_centres

GROW_MM = 5.0  # how far outside the prior tissue may be brain
SURROUNDINGS_MM = 15.0  # around the prior: room to grow and to be closed
CORE_MM = 10.0  # this deep inside the prior everything is brain
OPENING_MM = 3.0
CLOSING_MM = 6.0  # bridges sulci
DARKEST_TISSUE = 0.7  # of grey matter's signal: about half a voxel of it beside bone or CSF
RIM_MM = 1.0  # of CSF around the cortex
SMOOTH_MM = 1.5
MIN_AGREEMENT = 0.9  # Dice between the two refinements


def find_brain(image: Image, resolution_mm: float) -> Brain:
    """Find the brain of a bias-corrected head, working on voxels of `resolution_mm`.

    Raises:
        ScanError: no head is recognised, or its brain is found differently twice.
    """
    head = coarsen(image, resolution_mm)
    pose = find_pose(head)
    head = _surroundings(head, pose.mapping)
    first = _refine(head, pose.mapping)
    mapping = align_brain(head.with_data(head.data * first), np.linalg.inv(pose.mapping))
    second = _refine(head, np.linalg.inv(mapping))
    agreement = dice(first, second)
    if agreement < MIN_AGREEMENT:
        raise ScanError("brain-uncertain", f"two passes agree only to a Dice of {agreement:.2f}")
    mask = resample(head.with_data(signed_distance(second, head)), image).data < RIM_MM
    figures = {"pose_correlation": pose.correlation, "pass_agreement_dice": agreement}
    return Brain(image.with_data(largest_part(mask)), mapping, figures)


def _surroundings(head: Image, mapping: Matrix) -> Image:
    """The part of the head that can matter, which makes every later step cheaper."""
    prior = resample(load_template(POSE_MM).mask, head, mapping).data > 0.5
    if not prior.any():
        raise ScanError("no-head", "the template ends up outside the image")
    return around(head, prior, SURROUNDINGS_MM)


def _refine(head: Image, mapping: Matrix) -> Mask:
    """Brain voxels of `head`, given the matrix from head to template millimetres."""
    prior = resample(load_template(POSE_MM).mask, head, mapping).data > 0.5
    inside = -signed_distance(prior, head)
    low, high = _tissue_range(head.data[inside > OPENING_MM])
    core = inside > min(CORE_MM, inside.max() / 2)
    tissue = ((head.data > low) & (head.data < high) & (inside > -GROW_MM)) | core
    opened = largest_part(depth(tissue, head) > OPENING_MM, core)
    regrown = (depth(~opened, head) <= OPENING_MM + head.spacing.max() * 0.75) & tissue
    grown = largest_part(regrown, core)
    width = [int(np.ceil(CLOSING_MM / step)) + 1 for step in head.spacing]
    wide = np.pad(grown, [(pad, pad) for pad in width])
    wide = ndimage.binary_fill_holes(depth(~wide, head) <= CLOSING_MM)
    closed = depth(wide, head) > CLOSING_MM
    inner = closed[tuple(slice(pad, -pad) for pad in width)]
    filled = ndimage.binary_fill_holes(inner | grown).astype(np.float32)
    return largest_part(ndimage.gaussian_filter(filled, SMOOTH_MM / head.spacing) > 0.5, core)


def _tissue_range(values: Array) -> tuple[float, float]:
    """Darkest and brightest signal of brain, from the classes of grey and white matter."""
    centres = tissue_centres(values)
    if centres is None:
        raise ScanError("no-head", "the template ends up outside the image")
    _, grey, white = centres
    return DARKEST_TISSUE * float(grey), float(white + 1.5 * (white - grey))
