import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ldae.training.batches import Batches, FixedBatches


class Numbers:
    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        return str(index)

    def example(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        return {"index": torch.tensor(index), "noise": torch.randn(2, generator=generator)}


def names(batches: Batches, steps: range) -> list[str]:
    return [name for step in steps for batch in batches.step(step) for name in batch.names]


@given(count=st.integers(1, 20), batch_size=st.integers(1, 7), accumulate=st.integers(1, 3))
def test_every_epoch_sees_every_example_once(count: int, batch_size: int, accumulate: int) -> None:
    batches = Batches(Numbers(count), batch_size, accumulate, seed=3)
    seen = names(batches, range(3 * count))
    for start in range(0, len(seen) - count + 1, count):
        assert sorted(seen[start : start + count], key=int) == [str(i) for i in range(count)]


def test_order_and_noise_do_not_depend_on_how_a_step_is_cut() -> None:
    whole = Batches(Numbers(10), 8, 1, seed=0).step(3)
    parts = Batches(Numbers(10), 2, 4, seed=0).step(3)
    assert [n for b in whole for n in b.names] == [n for b in parts for n in b.names]
    noise = torch.cat([batch.tensors["noise"] for batch in parts])
    assert torch.equal(noise, whole[0].tensors["noise"])


@given(
    batch_size=st.integers(1, 5),
    accumulate=st.integers(1, 4),
    ranks=st.integers(1, 6),
    step=st.integers(0, 5),
)
def test_ranks_share_a_step_without_gap_or_overlap(
    batch_size: int, accumulate: int, ranks: int, step: int
) -> None:
    whole = Batches(Numbers(7), batch_size, accumulate, seed=2)
    ranks = min(ranks, whole.samples_per_step)
    shares = [
        Batches(Numbers(7), batch_size, accumulate, seed=2, rank=rank, ranks=ranks).step(step)
        for rank in range(ranks)
    ]
    batches = [batch for share in shares for batch in share]
    assert all(shares)
    assert all(len(batch.names) <= batch_size for batch in batches)
    assert sum(batch.share for batch in batches) == pytest.approx(1)
    noise = [torch.cat([b.tensors["noise"] for b in each]) for each in (batches, whole.step(step))]
    assert torch.equal(*noise)
    if accumulate % ranks == 0:  # whole micro-batches, so the same dropout
        assert [batch.seed for batch in batches] == [batch.seed for batch in whole.step(step)]


def test_the_noise_of_an_example_differs_from_epoch_to_epoch() -> None:
    batches = Batches(Numbers(2), 2, 1, seed=0)
    first, second = batches.step(0)[0], batches.step(1)[0]
    assert not torch.equal(first.tensors["noise"], second.tensors["noise"])


def test_reading_ahead_gives_the_same_batches_from_any_start() -> None:
    batches = Batches(Numbers(10), 4, 1, seed=0)
    with batches.following(5, pinned=False) as following:
        for step in range(5, 9):
            assert next(following)[0].names == batches.step(step)[0].names


def test_fixed_batches_repeat_themselves() -> None:
    once, again = (list(FixedBatches(Numbers(5), batch_size=2, seed=1)) for _ in range(2))
    assert [batch.names for batch in once] == [["0", "1"], ["2", "3"], ["4"]]
    for a, b in zip(once, again, strict=True):
        assert torch.equal(a.tensors["noise"], b.tensors["noise"])
