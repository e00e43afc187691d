import math

import pytest
import torch

from ldae.metrics.codes import LEAST_RANK, LEAST_SCANS, code_statistics, has_collapsed


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
    statistics = {"code_variance": variance, "code_effective_rank": rank}
    assert has_collapsed(statistics, scans=12) is collapsed


@pytest.mark.parametrize("scans", [2, 3, 11])
def test_few_scans_are_not_judged_by_a_rank_they_cannot_have(scans: int) -> None:
    alive = torch.randn(scans, 64, generator=torch.Generator().manual_seed(0))
    assert not has_collapsed(code_statistics(alive), scans=scans)
    assert has_collapsed(code_statistics(alive * 1e-3), scans=scans)


def test_one_scan_says_nothing() -> None:
    assert not has_collapsed(code_statistics(torch.ones(1, 8)), scans=1)


def test_the_fewest_scans_judged_by_rank_reach_it_when_codes_are_independent() -> None:
    alive = torch.randn(LEAST_SCANS, 64, generator=torch.Generator().manual_seed(0))
    assert code_statistics(alive)["code_effective_rank"] > 4 * LEAST_RANK
