import numpy as np
import pytest

from ldae.pretrained.look import NAMES, correlation, look_at


def numbers(volume: np.ndarray) -> dict[str, float]:
    return dict(zip(NAMES, look_at(volume).numbers, strict=True))


def test_a_flat_box_in_the_middle():
    volume = np.zeros((8, 10, 8), np.float32)
    volume[2:6, 2:8, 2:6] = 0.5
    seen = numbers(volume)
    assert seen["share"] == pytest.approx(4 * 6 * 4 / 640)
    assert seen["brightness"] == pytest.approx(0.5)
    assert seen["contrast"] == seen["sharpness"] == 0
    assert seen["symmetry"] == 0  # constant where either side has brain


def test_the_mirror_decides_symmetry():
    rng = np.random.default_rng(0)
    half = rng.random((4, 10, 8)).astype(np.float32)
    assert numbers(np.concatenate([half, half[::-1]]))["symmetry"] == pytest.approx(1)
    assert abs(numbers(rng.random((8, 10, 8)).astype(np.float32))["symmetry"]) < 0.2


def test_blur_lowers_sharpness_and_units_do_not():
    rng = np.random.default_rng(0)
    sharp = (0.1 + 0.9 * rng.random((8, 10, 8))).astype(np.float32)
    blurred = (sharp + np.roll(sharp, 1, 0) + np.roll(sharp, 1, 1) + np.roll(sharp, 1, 2)) / 4
    assert numbers(blurred)["sharpness"] < 0.9 * numbers(sharp)["sharpness"]
    assert numbers(sharp / 2)["sharpness"] == pytest.approx(numbers(sharp)["sharpness"], rel=1e-5)


def test_an_empty_volume_is_no_division_by_zero():
    look = look_at(np.zeros((8, 10, 8), np.float32))
    assert look.numbers == (0, 0, 0, 0, 0)
    assert not look.blocks.any()


def test_correlation_is_pearsons():
    a, b = np.random.default_rng(0).normal(size=(2, 50))
    assert correlation(a, b) == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert correlation(a, np.ones(50)) == 0
