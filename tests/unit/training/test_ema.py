import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ldae.training.ema import Ema, load_trained_state, trained_state


def network() -> nn.Sequential:
    torch.manual_seed(0)
    frozen = nn.Linear(2, 2).requires_grad_(False)
    return nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), frozen)


def wander(module: nn.Module) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter))


def test_after_its_ramp_it_is_the_average_torch_keeps() -> None:
    module = network()
    ours = Ema(module, 0.9)
    ours.updates = 10_000
    reference = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    reference.update_parameters(module)  # torch copies at its first update
    for _ in range(5):
        wander(module)
        ours.update()
        reference.update_parameters(module)
    expected = dict(reference.module.named_parameters())
    for name, average in ours.shadow.items():
        torch.testing.assert_close(average, expected[name])


def test_early_averages_forget_the_start() -> None:
    module = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(module.weight)
    ema = Ema(module, 0.999)
    nn.init.ones_(module.weight)
    ema.update()
    assert ema.shadow["weight"].item() == pytest.approx(1 - 2 / 11)


def test_averages_apply_within_the_block_only_even_when_it_fails() -> None:
    module = network()
    ema = Ema(module, 0.5)
    wander(module)
    ema.update()
    present, averaged = module[0].weight.detach().clone(), ema.shadow["0.weight"].clone()
    with ema.applied():
        assert torch.equal(module[0].weight, averaged)
    assert torch.equal(module[0].weight, present)
    with pytest.raises(ZeroDivisionError), ema.applied():
        _ = 1 / 0
    assert torch.equal(module[0].weight, present)
    assert torch.equal(ema.shadow["0.weight"], averaged)


def test_frozen_parts_are_not_kept_but_buffers_are() -> None:
    module = network()
    state = trained_state(module)
    assert {"0.weight", "1.running_mean", "1.num_batches_tracked"} <= set(state)
    assert not any(name.startswith("2.") for name in state)
    assert set(Ema(module, 0.5).weights()) == set(state)


def test_a_state_of_another_network_is_refused() -> None:
    state = {name: value.clone() for name, value in trained_state(network()).items()}
    missing = state | {}
    missing.pop("0.weight")
    with pytest.raises(ValueError, match=r"0\.weight"):
        load_trained_state(network(), missing)
    with pytest.raises(ValueError, match="another network"):
        Ema(network(), 0.5).load_state_dict({"updates": 1, "shadow": missing})
