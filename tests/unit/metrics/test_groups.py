import numpy as np
import pandas as pd

from ldae.metrics.groups import age_tertiles, groups_of


def scans(**columns):
    base = {"participant_id": "a", "months": 0, "sex": "F", "age": 70.0, "field_strength": 3.0}
    size = len(next(iter(columns.values())))
    return pd.DataFrame({name: [value] * size for name, value in base.items()} | columns)


def counted(rows, tertiles=(70.0, 80.0)):
    return {tuple(named.values()): int(chosen.sum()) for chosen, named in groups_of(rows, tertiles)}


def test_thirds_are_of_subjects_not_of_scans():
    """Nine subjects from 61 to 69 years at their first scan; one of them came twenty times."""
    first = scans(participant_id=list("abcdefghi"), age=np.arange(61.0, 70.0))
    again = scans(participant_id=["i"] * 20, age=np.full(20, 90.0), months=np.arange(1, 21))
    assert age_tertiles(pd.concat([again, first])) == (63.7, 66.3)


def test_without_any_age_there_are_no_thirds():
    rows = scans(age=[np.nan, np.nan])
    tertiles = age_tertiles(rows)
    assert np.isnan(tertiles).all()
    assert not [key for key in counted(rows, tertiles) if key[1] == "age_tertile"]


def test_what_is_not_known_is_in_no_group_and_each_scan_in_one_of_each_kind():
    rows = scans(
        months=[0, 12, 0, 6],
        sex=["F", "M", None, "M"],
        age=[69.9, 70.0, 80.0, np.nan],
        field_strength=[1.494, 2.89, 3.0, np.nan],
    )
    assert counted(rows) == {
        ("baseline", "all", "all"): 2,
        ("all", "sex", "F"): 1,
        ("all", "sex", "M"): 2,
        ("all", "age_tertile", "below 70"): 1,
        ("all", "age_tertile", "70 to 80"): 1,
        ("all", "age_tertile", "from 80"): 1,
        ("all", "field_strength", "1.5 T"): 1,
        ("all", "field_strength", "3 T"): 2,
    }
