import numpy as np
import pandas as pd
import pytest

from ldae.errors import UserError
from ldae.metrics.tasks import AD_VS_CN, AGE, CN_MCI_AD, demographics, trained_for

ROWS = pd.DataFrame(
    {
        "diagnosis": ["CN", "MCI", "AD", None],
        "age": [60.0, np.nan, 80.0, 75.0],
        "sex": ["F", "M", None, "M"],
    }
)


def test_ad_is_one_and_mci_is_left_out():
    eligible = AD_VS_CN.eligible(ROWS)
    assert eligible.tolist() == [True, False, True, False]
    assert AD_VS_CN.target(ROWS[eligible]).tolist() == [False, True]


def test_three_diagnoses_are_numbered_as_they_get_worse():
    eligible = CN_MCI_AD.eligible(ROWS)
    assert eligible.tolist() == [True, True, True, False]
    assert CN_MCI_AD.target(ROWS[eligible]).tolist() == [0, 1, 2]


def test_networks_are_trained_for_tasks():
    assert trained_for("supervised-diagnosis") is AD_VS_CN
    with pytest.raises(UserError, match="supervised-diagnosis or supervised-age"):
        trained_for("supervised-sex")


def test_age_needs_an_age_only():
    eligible = AGE.eligible(ROWS)
    assert eligible.tolist() == [True, False, True, True]
    assert AGE.target(ROWS[eligible]).tolist() == [60.0, 80.0, 75.0]


def test_age_is_no_predictor_of_itself():
    assert demographics(ROWS, AGE, mean_age=70).tolist() == [[0.0], [1.0], [0.5], [1.0]]
    expected = [[60, 0], [70, 1], [80, 0.5], [75, 1]]
    assert demographics(ROWS, AD_VS_CN, mean_age=70).tolist() == expected
