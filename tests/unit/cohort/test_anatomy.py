from dataclasses import replace

import numpy as np
import pytest

from ldae.cohort.anatomy import Brain, brains, smooth_field, tissue, warp_shape
from ldae.cohort.clinic import enrol
from ldae.cohort.template import Array, Template
from ldae.config import Synthetic

PLAIN = Brain(
    ventricle_push=0.0,
    cortical_loss=0.0,
    hippocampal_loss=0.0,
    csf=0.26,
    grey=0.65,
    white=0.87,
    scale=(1.0, 1.0, 1.0),
    warp=np.zeros((3, *warp_shape()), np.float32),
)


def box(x: tuple[int, int], y: tuple[int, int], z: tuple[int, int], step: int = 4) -> Array:
    axes = [np.arange(low, high + 1, step, dtype=np.float32) for low, high in (x, y, z)]
    return np.stack(np.meshgrid(*axes, indexing="ij")).reshape(3, -1)


VENTRICLES = box((-36, 36), (-62, 36), (-4, 38))
HEAD = box((-100, 100), (-136, 104), (-100, 116))


def ventricular_csf(template: Template, brain: Brain) -> float:
    middle = np.array([[0.0], [-16.0], [14.0]], np.float32)
    scale = np.array(brain.scale, np.float32)[:, None]
    return float(tissue(template, brain, (VENTRICLES - middle) * scale + middle).csf.sum())


def test_fractions_fill_the_brain_and_nothing_else(template: Template) -> None:
    parts = tissue(template, PLAIN, HEAD)
    whole = parts.csf + parts.grey + parts.white
    assert whole.min() >= 0
    assert whole.max() <= 1 + 1e-5
    assert 1.7e3 < whole.sum() * 4**3 / 1000 < 2.1e3  # ml
    far = tissue(template, PLAIN, np.array([[0, 0], [250, -16], [0, 130]], np.float32))
    assert not any(np.any(part) for part in (far.csf, far.grey, far.white, far.skull))


def test_a_skull_lies_around_the_brain_down_to_the_neck(template: Template) -> None:
    upwards = np.zeros((3, 30), np.float32)
    upwards[1], upwards[2] = -16, np.arange(70, 100)
    parts = tissue(template, PLAIN, upwards)
    signal = 0.65 * parts.grey + 0.87 * parts.white + 0.26 * parts.csf + parts.skull
    peak = signal.argmax()
    assert signal[peak] > 0.5  # scalp
    assert parts.skull[:5].max() < 0.05  # brain
    assert signal[5:peak].min() < 0.6 * signal[peak]  # bone between the two
    assert signal[-1] < 0.05  # air
    below = HEAD[:, HEAD[2] < -84]
    assert tissue(template, PLAIN, below).skull.max() < 0.01


def test_pushed_ventricles_hold_more_fluid(template: Template) -> None:
    fluid = [
        ventricular_csf(template, replace(PLAIN, ventricle_push=push))
        for push in (-1.5, 0.0, 2.0, 4.0, 6.5)
    ]
    assert np.all(np.diff(fluid) > 0)
    assert fluid[-1] > 1.5 * fluid[1]


def test_atrophy_takes_grey_matter_where_it_should(template: Template) -> None:
    plain = tissue(template, PLAIN, HEAD)
    cortex = tissue(template, replace(PLAIN, cortical_loss=0.5), HEAD)
    assert cortex.grey.sum() < 0.85 * plain.grey.sum()
    assert cortex.white.sum() == pytest.approx(plain.white.sum())
    lost = plain.grey - tissue(template, replace(PLAIN, hippocampal_loss=0.8), HEAD).grey
    at = np.abs(HEAD[0])
    assert (lost * at).sum() / lost.sum() == pytest.approx(27, abs=4)
    assert (lost * HEAD[2]).sum() / lost.sum() == pytest.approx(-15, abs=4)


def test_a_larger_head_holds_a_larger_brain(template: Template) -> None:
    plain, large = (
        tissue(template, replace(PLAIN, scale=(size, size, size)), HEAD) for size in (1.0, 1.1)
    )
    assert large.white.sum() / plain.white.sum() == pytest.approx(1.1**3, rel=0.01)


def test_rendered_fluid_follows_push_and_diagnosis(template: Template) -> None:
    settings = Synthetic.model_validate(
        {
            "subjects": {"CN": 20, "MCI": 0, "AD": 20},
            "visit_months": (0,),
            "visits_per_subject": (1, 1),
            "voxel_mm": 4.0,
            "traps": False,
        }
    )
    subjects = enrol(settings, seed=5)
    fluid = np.array(
        [ventricular_csf(template, next(brains(subject, seed=5))) for subject in subjects]
    )
    push = [subject.visits[0].ventricle_push for subject in subjects]
    ill = np.array([subject.enrolled_as == "AD" for subject in subjects])
    assert np.corrcoef(push, fluid)[0, 1] > 0.9
    assert np.corrcoef(push, ill)[0, 1] > 0.5
    assert fluid[ill].mean() > 1.3 * fluid[~ill].mean()


def test_visits_share_a_shape_that_drifts_with_time() -> None:
    settings = Synthetic.model_validate(
        {
            "subjects": {"CN": 2},
            "visit_months": (0, 12, 48),
            "visits_per_subject": (3, 3),
            "voxel_mm": 4.0,
            "traps": False,
        }
    )
    one, other = (list(brains(subject, seed=1)) for subject in enrol(settings, seed=1))
    near, far = (np.sqrt(np.mean((one[i].warp - one[0].warp) ** 2)) for i in (1, 2))
    strangers = np.sqrt(np.mean((one[0].warp - other[0].warp) ** 2))
    assert 0 < near < far < strangers
    assert one[0].scale == one[2].scale
    again = list(brains(enrol(settings, seed=1)[0], seed=1))
    np.testing.assert_array_equal(one[2].warp, again[2].warp)


def test_smooth_fields_have_unit_variance() -> None:
    fields = np.stack(
        [
            smooth_field(np.random.default_rng(i), shape=(20, 18, 16), nodes=(5, 6, 4))
            for i in range(200)
        ]
    )
    assert fields.std() == pytest.approx(1, abs=0.05)
    assert np.abs(np.diff(fields, axis=1)).mean() < 0.4
