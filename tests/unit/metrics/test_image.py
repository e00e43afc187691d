import pytest
import torch

from ldae.metrics.image import METRICS, ImageScorer, masked_mean, slice_distance, ssim_map


def volumes(seed: int = 0, size: int = 12) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    target = torch.rand((2, 1, size, size, size), generator=generator)
    prediction = (target + 0.1 * torch.randn(target.shape, generator=generator)).clamp(0, 1)
    brain = torch.zeros(target.shape, dtype=torch.bool)
    brain[..., 3:9, 3:9, 3:9] = True
    return prediction, target, brain


def test_identical_volumes_are_perfectly_similar():
    _, target, brain = volumes()
    scores = ImageScorer(3, None).score(target, target, brain)
    for name in ("ssim", "ssim_brain"):
        torch.testing.assert_close(scores[name], torch.ones(2))
    for name in ("mse", "mse_brain"):
        assert torch.equal(scores[name], torch.zeros(2))


def test_every_metric_is_there_per_scan():
    prediction, target, brain = volumes()
    scores = ImageScorer(3, None).score(prediction, target, brain)
    assert tuple(scores) == METRICS
    assert all(values.shape == (2,) for values in scores.values())


def test_only_what_is_asked_for_is_computed(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("not asked for")

    prediction, target, brain = volumes(size=48)
    scorer = ImageScorer(3, refuse)
    monkeypatch.setattr("ldae.metrics.image.compute_ms_ssim", refuse)
    asked = ("mse_brain", "ssim", "ssim_brain")
    some = scorer.score(prediction, target, brain, metrics=asked)
    assert tuple(some) == asked
    monkeypatch.setattr("ldae.metrics.image.ssim_map", refuse)
    assert tuple(scorer.score(prediction, target, brain, metrics=["mse"])) == ("mse",)


def test_constant_error_has_closed_forms():
    target = torch.full((1, 1, 8, 8, 8), 0.5)
    scores = ImageScorer(3, None).score(target + 0.1, target, torch.ones_like(target).bool())
    assert float(scores["mse"]) == pytest.approx(0.01, rel=1e-5)
    assert float(scores["psnr"]) == pytest.approx(20, rel=1e-5)  # 10 log10(1 / 0.01) dB
    luminance = (2 * 0.5 * 0.6 + 1e-4) / (0.5**2 + 0.6**2 + 1e-4)  # no contrast left to compare
    assert float(scores["ssim"]) == pytest.approx(luminance, rel=1e-4)


def test_predictions_are_clamped_before_scoring():
    _, target, brain = volumes()
    inside, outside = target.clone(), target.clone()
    inside[:, :, :2], outside[:, :, :2] = 1.0, 7.0
    scorer = ImageScorer(3, None)
    first, second = (scorer.score(volume, target, brain) for volume in (inside, outside))
    assert torch.equal(first["ssim"], second["ssim"])
    assert torch.equal(first["mse"], second["mse"])


def test_brain_scores_ignore_what_lies_outside():
    _, target, brain = volumes()
    prediction = torch.where(brain, target, torch.zeros(()))
    scores = ImageScorer(3, None).score(prediction, target, brain)
    assert torch.equal(scores["mse_brain"], torch.zeros(2))
    assert (scores["mse"] > 0.1).all()


@pytest.mark.parametrize("window", [3, 4, 7])
def test_brain_ssim_lines_up_with_the_map(window):
    prediction, target, _ = volumes()
    similarity = ssim_map(prediction, target, window=window)
    assert similarity.shape[2:] == (13 - window,) * 3
    corner = (window - 1) // 2
    for offset in (0, 12 - window):
        brain = torch.zeros(target.shape, dtype=torch.bool)
        brain[..., corner + offset, corner + offset, corner + offset] = True
        scores = ImageScorer(window, None).score(prediction, target, brain)
        torch.testing.assert_close(scores["ssim_brain"], similarity[:, 0, offset, offset, offset])


def test_scores_do_not_depend_on_the_batch():
    prediction, target, brain = volumes()
    scorer = ImageScorer(3, None)
    together = scorer.score(prediction, target, brain)
    alone = scorer.score(prediction[1:], target[1:], brain[1:])
    for name in ("ssim", "mse", "ssim_brain", "mse_brain"):
        torch.testing.assert_close(together[name][1:], alone[name])


def test_masked_mean_of_an_empty_mask_is_undefined():
    values = torch.ones((1, 1, 2, 2, 2))
    assert masked_mean(values, torch.zeros_like(values).bool()).isnan().all()


def test_small_volumes_have_no_ms_ssim_and_say_why():
    prediction, target, brain = volumes()
    scorer = ImageScorer(3, None)
    assert scorer.score(prediction, target, brain)["ms_ssim"].isnan().all()
    assert "ms_ssim: 5 scales need 48 voxels" in scorer.not_computed(target)
    assert "lpips: no SqueezeNet" in scorer.not_computed(target)


def test_large_volumes_have_ms_ssim():
    prediction, target, brain = volumes(size=48)
    scorer = ImageScorer(3, lambda a, b: (a - b).abs().mean(dim=(1, 2, 3)))
    scores = scorer.score(target, target, brain)
    torch.testing.assert_close(scores["ms_ssim"], torch.ones(2))
    assert (scorer.score(prediction, target, brain)["ms_ssim"] < 1).all()
    assert scorer.not_computed(target) == ""


def test_slice_distance_sums_the_means_of_three_axes():
    target = torch.zeros((1, 1, 4, 5, 40))
    prediction = torch.rand(target.shape, generator=torch.Generator().manual_seed(1))
    distance = slice_distance(prediction, target, lambda a, b: (a - b).abs().mean(dim=(1, 2, 3)))
    torch.testing.assert_close(distance, 3 * prediction.mean(dim=(1, 2, 3, 4)))
