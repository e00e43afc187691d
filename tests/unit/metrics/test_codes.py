import math

import pytest
import torch

from ldae.metrics.codes import code_statistics, has_collapsed


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


@pytest.mark.parametrize(
    ("variance", "rank", "collapsed"),
    [
        (1e-6, 1.8, True),
        (3.0, 1.2, True),
        (1e-4, 9.0, True),
        (3.0, 9.0, False),
        (math.nan, 9.0, True),
        (3.0, math.nan, True),
    ],
)
def test_a_collapsed_code_is_known_by_variance_or_rank(variance, rank, collapsed) -> None:
    assert has_collapsed({"code_variance": variance, "code_effective_rank": rank}) is collapsed
