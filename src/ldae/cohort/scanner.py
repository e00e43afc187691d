"""Synthetic scanners: what each site's machine is, and how a head looks in it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldae.cohort.anatomy import CENTRE, Brain, Tissue, smooth_field, tissue
from ldae.cohort.template import Array, Template

FIELD_OF_VIEW = (240.0, 256.0, 240.0)  # mm: R-L, A-P, I-S
STORED_BITS = 12


@dataclass(frozen=True)
class Scanner:
    """A machine and its T1-weighted protocol, in the words its images carry."""

    manufacturer: str
    model: str
    tesla: float
    description: str  # of the T1-weighted series
    image_type: tuple[str, ...]
    sequence: str
    variant: tuple[str, ...]
    sequence_name: str | None
    repetition_ms: float  # the whole cycle at Siemens, the inner one elsewhere
    echo_ms: float
    inversion_ms: float | None
    flip_degrees: float
    gain: float  # stored value of signal 1
    slope: float | None  # stored to real value, where the vendor says so
    noise: float  # standard deviation, relative to signal 1


_SIEMENS = ("ORIGINAL", "PRIMARY", "M", "ND")
_GE = ("ORIGINAL", "PRIMARY", "OTHER")
_PHILIPS = ("ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE")

SCANNERS = (
    Scanner("SIEMENS", "Avanto", 1.5, "MPRAGE", _SIEMENS, "GR", ("SP", "MP"), "*tfl3d1",
            2400, 3.5, 1000, 8, gain=450, slope=None, noise=0.025),
    Scanner("GE MEDICAL SYSTEMS", "SIGNA HDx", 1.5, "IR-FSPGR", _GE, "GR", ("SS", "SP", "SK"), None,
            8.6, 3.8, 1000, 8, gain=1500, slope=None, noise=0.025),
    Scanner("Philips Medical Systems", "Intera", 1.5, "MP-RAGE", _PHILIPS, "GR", ("MP",), None,
            8.6, 4.0, None, 8, gain=900, slope=1.75, noise=0.025),
    Scanner("SIEMENS", "TrioTim", 3.0, "MPRAGE", _SIEMENS, "GR", ("SP", "MP"), "*tfl3d1",
            2300, 2.98, 900, 9, gain=600, slope=None, noise=0.015),
)  # fmt: skip


@dataclass(frozen=True)
class Pose:
    """Where the head lies: rotations about R-L, A-P, I-S (degrees), then a shift (mm)."""

    rotation: NDArray[np.float64]
    shift: NDArray[np.float64]


def scanner_of(site: int) -> Scanner:
    """The machine of a site; it never changes."""
    return SCANNERS[site % len(SCANNERS)]


def lay_down(rng: np.random.Generator) -> Pose:
    """Draw the pose of a head at the start of an exam."""
    return Pose(np.clip(rng.normal(0, 6, 3), -14, 14), np.clip(rng.normal(0, 5, 3), -11, 11))


def settle(pose: Pose, rng: np.random.Generator) -> Pose:
    """The pose a few minutes later."""
    return Pose(pose.rotation + rng.normal(0, 0.7, 3), pose.shift + rng.normal(0, 0.7, 3))


def scan_shape(voxel_mm: float) -> tuple[int, int, int]:
    """Voxels of a scan along R-L, A-P and I-S; its middle is the isocentre."""
    x, y, z = (max(round(extent / voxel_mm), 1) for extent in FIELD_OF_VIEW)
    return x, y, z


def look(template: Template, brain: Brain, *, pose: Pose, voxel_mm: float) -> Tissue:
    """What lies in each voxel of a scan of `brain` in this pose, in the order of `scan_shape`."""
    shape = scan_shape(voxel_mm)
    axes = [(np.arange(size) - (size - 1) / 2) * voxel_mm for size in shape]
    points = np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32).reshape(3, -1)
    shift = pose.shift.astype(np.float32)[:, None]
    centre = np.array(CENTRE, np.float32)[:, None]
    # the head is turned by `rotation`; looking it up takes the inverse, which is the transpose
    turned = np.einsum("ji,jn->in", _rotation(pose.rotation), points - shift)
    return tissue(template, brain, turned + centre)


def acquire(
    rng: np.random.Generator, parts: Tissue, *, brain: Brain, scanner: Scanner, voxel_mm: float
) -> NDArray[np.uint16]:
    """Stored values (X, Y, Z), RAS: a bias field, the contrast of the day and Rician noise."""
    shape = scan_shape(voxel_mm)
    signal = parts.csf * brain.csf + parts.grey * brain.grey + parts.white * brain.white
    signal = (signal + parts.skull).reshape(shape)
    signal = signal ** np.float32(np.exp(rng.normal(0, 0.03)))
    signal *= np.exp(0.15 * smooth_field(rng, shape=shape, nodes=(3, 3, 3)))
    noise = scanner.noise * rng.standard_normal((2, *shape), dtype=np.float32)
    magnitude = np.hypot(signal + noise[0], noise[1])
    stored = np.rint(magnitude * scanner.gain).clip(0, 2**STORED_BITS - 1)
    return np.asarray(stored, np.uint16)


def _rotation(degrees: NDArray[np.float64]) -> Array:
    (sx, sy, sz), (cx, cy, cz) = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x, np.float32)
