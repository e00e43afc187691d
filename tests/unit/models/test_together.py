import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldae.models.together import ELEMENTS, together


@given(st.lists(st.integers(1, 300), min_size=1, max_size=4))
def test_as_many_as_fit_and_at_least_one(shape):
    size = math.prod(shape)
    count = together(tuple(shape))
    assert count >= 1
    assert count == 1 or count * size <= ELEMENTS < (count + 1) * size


@pytest.mark.parametrize(
    ("shape", "count"), [((128, 160, 128), 1), ((3, 16, 20, 16), 136), ((24, 32, 24), 113)]
)
def test_the_papers_volumes_go_one_by_one_and_small_ones_together(shape, count):
    assert together(shape) == count
