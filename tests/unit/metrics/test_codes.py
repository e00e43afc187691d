import pytest
import torch

from ldae.metrics.codes import code_statistics


def test_independent_dimensions_have_full_rank() -> None:
    codes = torch.randn(20_000, 6, generator=torch.Generator().manual_seed(0))
    statistics = code_statistics(codes)
    assert statistics["code_variance"] == pytest.approx(1, abs=0.05)
    assert statistics["code_effective_rank"] == pytest.approx(6, abs=0.05)


def test_codes_on_a_line_have_rank_one() -> None:
    codes = torch.linspace(-1, 1, 50)[:, None] * torch.tensor([1.0, -2.0, 3.0])
    assert code_statistics(codes)["code_effective_rank"] == pytest.approx(1)


def test_one_code_for_all_has_no_variance() -> None:
    assert code_statistics(torch.ones(5, 3))["code_variance"] == 0
