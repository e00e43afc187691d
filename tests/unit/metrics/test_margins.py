import pandas as pd
import pytest
import torch

from ldae.metrics.margins import ssim_margins, stored_margins

SCORED = pd.DataFrame(
    [
        ("sub-1", "ses-1", "ldae", "semantic", 2, 0.5),
        ("sub-1", "ses-1", "ldae", "wrong-subject", 2, 0.4),
        ("sub-1", "ses-1", "ldae", "semantic", 4, 0.9),
        ("sub-1", "ses-1", "dae", "semantic", 2, 0.1),
    ],
    columns=["participant_id", "session_id", "model", "start", "steps", "ssim"],
)


def test_margins_are_of_the_steps_that_both_codes_were_sampled_with():
    margins = stored_margins(SCORED, "ldae")
    assert margins["margin"].tolist() == pytest.approx([0.1])
    assert stored_margins(SCORED, "dae").empty


def test_the_margin_of_a_perfect_sample_is_what_the_other_lacks():
    x = torch.rand(2, 1, 6, 6, 6, generator=torch.Generator().manual_seed(0))
    assert (ssim_margins(x, 1 - x, x, window=3) > 0.5).all()
    torch.testing.assert_close(ssim_margins(x, x + 0.0, x, window=3), torch.zeros(2))
