"""Figures of quality have the values that theory gives them; verdicts follow the thresholds."""

import numpy as np
import pytest

from ldae.preprocessing.brain import Brain
from ldae.preprocessing.grid import template_on_grid
from ldae.preprocessing.images import Image
from ldae.preprocessing.quality import border_cm2, measure_quality, tissue_contrast
from ldae.preprocessing.verdict import FIGURES, faults, limits
from ldae.stages.preprocess import PAPER

VOXELS = np.diag([2.0, 1.0, 3.0, 1.0])
GOOD = {
    "brain_ml": 1500.0,
    "border_cm2": 0.0,
    "snr": 14.0,
    "cjv": 0.7,
    "template_dice": 0.96,
    "template_correlation": 0.8,
    "symmetry": 0.97,
}


def box(shape, part):
    mask = np.zeros(shape, np.float32)
    mask[part] = 1
    return Image(mask, VOXELS)


def test_area_at_the_edge_is_in_square_centimetres():
    mask = box((50, 60, 40), np.s_[10:40, 0:60, 30:40])
    head = mask.with_data(np.ones(mask.data.shape))
    # Two faces of 30 × 10 voxels of 2 × 3 mm across y, one of 30 × 60 of 2 × 1 mm at the top.
    assert border_cm2(head, mask) == pytest.approx((2 * 30 * 10 * 6 + 30 * 60 * 2) / 100)


def test_padding_with_zeros_hides_no_cut():
    mask = box((50, 60, 40), np.s_[10:40, 10:50, 20:30])
    head = box((50, 60, 40), np.s_[5:45, 5:55, 5:30])
    assert border_cm2(head, mask) == pytest.approx(30 * 40 * 2 / 100)


def test_a_stripped_brain_is_cut_only_by_the_image():
    inside = box((50, 60, 40), np.s_[10:40, 10:50, 20:30])
    assert border_cm2(inside, inside) == 0.0


def tissues(noise, seed=0):
    """Blocks of CSF, grey and white matter with signals .2, .6, .9 and Gaussian noise."""
    signal = np.repeat([0.2, 0.6, 0.9], 20)[:, None, None] * np.ones((1, 60, 60))
    noisy = signal + np.random.default_rng(seed).normal(0, noise, signal.shape)
    return Image(noisy.astype(np.float32), np.eye(4)), Image(np.ones_like(noisy), np.eye(4))


@pytest.mark.parametrize("noise", [0.03, 0.06, 0.12])
def test_ratio_and_joint_variation_follow_the_noise(noise):
    snr, cjv = tissue_contrast(*tissues(noise), resolution_mm=3.0)
    assert snr == pytest.approx(0.9 / noise, rel=0.12)
    assert cjv == pytest.approx(2 * noise / 0.3, rel=0.12)


def test_too_little_brain_has_no_contrast():
    image, mask = tissues(0.05)
    few = np.zeros_like(mask.data)
    few[30, 30, :50] = 1
    assert tissue_contrast(image, mask.with_data(few), resolution_mm=3.0) == (None, None)


def likeness(volume, inside, settings):
    brain = Brain(volume.with_data(inside), np.eye(4), {})
    figures = measure_quality(volume, brain, volume, inside, settings)
    return figures["template_correlation"], figures["symmetry"]


def test_the_template_is_like_itself_and_its_mirror_image(settings):
    volume, inside = template_on_grid(settings.grid)
    correlation, symmetry = likeness(volume, inside, settings)
    assert correlation == pytest.approx(1.0, abs=1e-6)
    assert symmetry > 0.98


def test_a_lost_side_costs_symmetry_and_a_shift_correlation(settings):
    volume, inside = template_on_grid(settings.grid)
    left = np.arange(volume.data.shape[0]) < 8
    lost = np.where(left[:, None, None], 0, volume.data)
    assert likeness(volume.with_data(lost), inside & (lost > 0), settings)[1] < 0.5
    moved, moved_mask = (np.roll(values, 3, axis=1) for values in (volume.data, inside))
    assert likeness(volume.with_data(moved), moved_mask, settings)[0] < 0.5


def test_a_good_scan_has_no_faults():
    assert not list(faults(GOOD, PAPER.quality))


@pytest.mark.parametrize(
    ("figure", "value", "reason", "found"),
    [
        ("brain_ml", 850.2, "brain smaller than 900 ml", "850 ml"),
        ("brain_ml", 2000.6, "brain larger than 2000 ml", "2001 ml"),
        ("border_cm2", 55.0, "brain cut by the image's edge in more than 40 cm²", "55 cm²"),
        ("snr", 3.0, "signal-to-noise ratio below 6", "3.0"),
        ("cjv", 1.7, "joint variation above 1.4", "1.70"),
        ("template_dice", 0.8, "overlap with the template below 0.85", "0.800"),
        ("template_correlation", 0.1, "correlation with the template below 0.55", "0.100"),
        ("symmetry", 0.4, "left-right symmetry below 0.5", "0.400"),
        ("snr", None, "signal-to-noise ratio below 6", "nan"),
        ("cjv", float("nan"), "joint variation above 1.4", "nan"),
    ],
)
def test_each_threshold_has_its_own_reason(figure, value, reason, found):
    assert list(faults(GOOD | {figure: value}, PAPER.quality)) == [(reason, found)]


def test_every_threshold_belongs_to_a_figure():
    bounds = {
        f"{end}_{figure.name}"
        for figure in FIGURES
        for end, bound in zip(("min", "max"), limits(figure, PAPER.quality), strict=True)
        if bound is not None
    }
    assert bounds == set(PAPER.quality.model_dump())
