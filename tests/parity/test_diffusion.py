"""Our diffusion and its training steps against numbers computed by the original implementation.

The fixtures are not part of the project: they are looked for in `shared/parity` beside it.
"""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from ldae.diffusion import ddim
from ldae.diffusion.interpolation import lerp, slerp
from ldae.diffusion.losses import noise_loss, representation_loss, snr_weight
from ldae.diffusion.schedule import NoiseSchedule, inference_timesteps
from ldae.diffusion.shift import score_shift
from ldae.nets.gradient_estimator import ShiftedNoisePredictor
from ldae.nets.unet import NoisePredictor
from ldae.training.batches import Batch
from ldae.training.ema import Ema
from ldae.training.steps import GradientStep
from ldae.weights import original
from ldae.weights.folder import load_state

PARITY = Path(__file__).parents[3] / "shared" / "parity"
pytestmark = pytest.mark.skipif(
    not PARITY.is_dir(), reason=f"no fixtures of the original implementation in {PARITY}"
)

SCHEDULE = NoiseSchedule.linear(1000, 1e-4, 0.02)
TABLES = 1e-6  # relative
NEAR_ONE = 1e-4  # relative, of 1 - alpha_bar near t = 0, which float32 holds no better
LOSSES = 1e-6
AFTER_STEPS = 1e-5  # of parameters after three Adam steps
TRAJECTORIES = 1e-3  # of the largest magnitude
EDITS = 1e-2  # of the largest magnitude: see test_edits


def _reader() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fixture_io", PARITY / "fixture_io.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _arrays(name: str) -> dict[str, Tensor]:
    arrays = _reader().load(PARITY / "fixtures" / f"{name}.npz")
    return {
        key: torch.from_numpy(np.array(array))
        for key, array in arrays.items()
        if array.dtype.kind in "fi"
    }


def _network() -> ShiftedNoisePredictor:
    config = json.loads((PARITY / "fixtures" / "meta.json").read_text())["config"]
    unet = config["unet"]
    base = NoisePredictor(
        in_channels=unet["input_channel"],
        base_channels=unet["base_channel"],
        multipliers=tuple(unet["channel_multiplier"]),
        res_blocks=unet["num_residual_blocks_of_a_block"],
        attention_at=tuple(unet["attention_resolutions"]),
        heads=unet["num_heads"],
        norm_groups=32,
        dropout=unet["dropout"],
        downsample=(1, 2, 2),
    )
    network = ShiftedNoisePredictor(base, config["latent_dim"])
    state = _reader().load_state(PARITY / "fixtures" / "shift_unet_state.npz")
    tensors = {key: torch.from_numpy(array) for key, array in state.items()}
    load_state(network, original.shifted_noise_predictor(tensors), source="fixture")
    return network.eval()


@pytest.fixture(scope="module")
def network() -> ShiftedNoisePredictor:
    return _network()


@pytest.fixture(scope="module")
def schedule_arrays() -> dict[str, Tensor]:
    return _arrays("schedule")


def _relative(ours: Tensor, theirs: Tensor, tolerance: float) -> None:
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=0)


def _of_maximum(ours: Tensor, theirs: Tensor, tolerance: float) -> None:
    atol = tolerance * theirs.abs().max().item()
    torch.testing.assert_close(ours.reshape(theirs.shape), theirs, rtol=0, atol=atol)


def test_schedule(schedule_arrays: dict[str, Tensor]) -> None:
    linear = {
        name.removeprefix("linear/"): table
        for name, table in schedule_arrays.items()
        if name.startswith("linear/")
    }
    _relative(SCHEDULE.alpha, linear["alphas"], TABLES)
    _relative(SCHEDULE.alpha_bar, linear["alphas_cumprod"], TABLES)
    _relative(SCHEDULE.signal, linear["sqrt_alphas_cumprod"], TABLES)
    _relative(SCHEDULE.sigma, linear["sqrt_one_minus_alphas_cumprod"], TABLES)
    _relative(SCHEDULE.posterior_shift, linear["shift_coef"], TABLES)
    weight = snr_weight(SCHEDULE, torch.arange(1000), 0.1)
    _relative(weight, linear["weight"], TABLES)


@pytest.mark.parametrize("steps", [10, 20, 50, 100])
def test_inference_tables(schedule_arrays: dict[str, Tensor], steps: int) -> None:
    times = inference_timesteps(1000, steps)
    assert times == schedule_arrays[f"ddim{steps}/timestep_map"].tolist()
    alpha_bar = SCHEDULE.exact_alpha_bar[times]
    theirs = schedule_arrays[f"ddim{steps}/sqrt_one_minus_alphas_cumprod"]
    _relative((1 - alpha_bar).sqrt().float(), theirs, NEAR_ONE)
    theirs = schedule_arrays[f"ddim{steps}/sqrt_recip_alphas_cumprod_m1"]
    _relative((1 / alpha_bar - 1).sqrt().float(), theirs, NEAR_ONE)


def test_adding_noise(schedule_arrays: dict[str, Tensor]) -> None:
    z_0, noise, t, z_t = (
        schedule_arrays[f"q_sample/{name}"] for name in ("x0", "noise", "t", "xt")
    )
    torch.testing.assert_close(SCHEDULE.add_noise(z_0, noise, t), z_t, rtol=0, atol=1e-6)


def _eps(network: ShiftedNoisePredictor, y: Tensor | None) -> ddim.EpsFn:
    def eps_fn(z: Tensor, t: Tensor) -> Tensor:
        if y is None:
            return network.base(z, t)
        eps, gradient = network(z, t, y)
        return eps + score_shift(SCHEDULE, t, like=z) * gradient

    return eps_fn


@torch.no_grad()
@pytest.mark.parametrize("clip", ["clamp", "noclamp"])
@pytest.mark.parametrize("direction", ["encode", "sample"])
@pytest.mark.parametrize("shift", ["plain", "shift"])
def test_trajectories(
    network: ShiftedNoisePredictor, shift: str, direction: str, clip: str
) -> None:
    arrays = _arrays("ddim")
    walk, start = (ddim.invert, "z0") if direction == "encode" else (ddim.sample, "zT")
    eps_fn = _eps(network, arrays["y_sem"] if shift == "shift" else None)
    bound = 1.0 if clip == "clamp" else None
    result = walk(eps_fn, arrays[start], SCHEDULE, steps=10, clip=bound)
    _of_maximum(result, arrays[f"{shift}/{direction}/{clip}/steps"][-1], TRAJECTORIES)


@torch.no_grad()
def test_round_trip_with_another_code(network: ShiftedNoisePredictor) -> None:
    arrays = _arrays("ddim")
    y, other = arrays["y_sem"], arrays["y_sem_other"]
    terminal = ddim.invert(_eps(network, y), arrays["z0"], SCHEDULE, steps=10, clip=1.0)
    back = ddim.sample(_eps(network, other), terminal, SCHEDULE, steps=10, clip=1.0)
    _of_maximum(back, arrays["roundtrip/other/clamp"], TRAJECTORIES)


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.5, 1.0])
def test_interpolation_of_codes(fraction: float) -> None:
    arrays = _arrays("latent_ops")
    straight = lerp(arrays["y_a"], arrays["y_b"], fraction)
    torch.testing.assert_close(straight, arrays[f"lerp/{fraction}"], rtol=0, atol=1e-6)
    arc = slerp(arrays["z_a"], arrays["z_b"], fraction)
    _of_maximum(arc, arrays[f"slerp/{fraction}"], 1e-6)


@torch.no_grad()
@pytest.mark.parametrize(("clip", "tolerance"), [("clamp", 2e-3), ("noclamp", EDITS)])
def test_edits(network: ShiftedNoisePredictor, clip: str, tolerance: float) -> None:
    """Inversion, then sampling with another code.

    Without the clamp the random network drives latents to 100 and more, and the original itself is
    up to 0.6 % of that away from its own float64 result (`floor` in the fixtures' tables).
    """
    arrays = _arrays("latent_ops")
    bound = 1.0 if clip == "clamp" else None
    y_a, y_b = arrays["y_a"], arrays["y_b"]
    z_a, z_b = (
        ddim.invert(_eps(network, y), z, SCHEDULE, steps=10, clip=bound)
        for z, y in ((arrays["z_a"], y_a), (arrays["z_b"], y_b))
    )
    between = ddim.sample(
        _eps(network, lerp(y_a, y_b, 0.3)), slerp(z_a, z_b, 0.3), SCHEDULE, steps=10, clip=bound
    )
    _of_maximum(between, arrays[f"interpolate/0.3/{clip}"], tolerance)
    y = arrays["manipulate/2.5/y"]
    moved = ddim.sample(_eps(network, y), z_a, SCHEDULE, steps=10, clip=bound)
    _of_maximum(moved, arrays[f"manipulate/2.5/{clip}"], tolerance)


class Pretraining(nn.Module):
    def __init__(self, base: NoisePredictor) -> None:
        super().__init__()
        self.base = base

    def forward(self, z_0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        return noise_loss(self.base, SCHEDULE, z_0=z_0, noise=noise, t=t)


class Representation(nn.Module):
    """The code itself is trained, in place of an encoder."""

    def __init__(self, shifted: ShiftedNoisePredictor, y: Tensor) -> None:
        super().__init__()
        self.y = nn.Parameter(y.clone())
        self.shifted = shifted

    def forward(self, z_0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        return representation_loss(
            self.shifted, SCHEDULE, z_0=z_0, noise=noise, t=t, y=self.y, snr_exponent=0.1
        )


def _three_steps(objective: nn.Module, arrays: dict[str, Tensor], stage: str) -> Ema:
    step = GradientStep(
        objective,
        objective,
        fabric=Fabric(accelerator="cpu", devices=1),
        learning_rate=1e-3,
        clip_norm=1.0,
    )
    ema = Ema(objective, 0.99)
    ema.updates = 10_000  # the original has no ramp
    for number in range(3):
        given = {"z_0": arrays["z0"], "noise": arrays["noise"][number], "t": arrays["t"][number]}
        reported = step.gradients([Batch(given, ["", ""])], samples_seen=0) | step.update(1.0)
        loss, norm = arrays[f"{stage}/steps/loss"], arrays[f"{stage}/steps/grad_norm"]
        assert reported["loss"] == pytest.approx(loss[number].item(), abs=LOSSES)
        assert reported["grad_norm"] == pytest.approx(norm[number].item(), rel=1e-4)
        ema.update()
    return ema


def test_training_the_noise_predictor() -> None:
    arrays = _arrays("training")
    base = _network().base.requires_grad_(True)
    ema = _three_steps(Pretraining(base), arrays, "pretrain")
    names = {
        "out.2.weight": _ours("out.2.weight"),
        "time_embed.2.bias": _ours("time_embed.2.bias"),
    }
    parameters = dict(base.named_parameters())
    for theirs, ours in names.items():
        name = ours.removeprefix("base.")
        _after_steps(parameters[name], arrays[f"pretrain/steps/param/{theirs}"])
        _after_steps(ema.shadow[f"base.{name}"], arrays[f"pretrain/steps/ema/{theirs}"])


def test_training_the_representation() -> None:
    arrays = _arrays("training")
    objective = Representation(_network(), arrays["y_sem"])
    frozen = {name: p.clone() for name, p in objective.shifted.base.named_parameters()}
    ema = _three_steps(objective, arrays, "repr")
    parameters = dict(objective.named_parameters())
    _after_steps(parameters["y"], arrays["repr/steps/param/y_sem"])
    for theirs, tolerance in {"shift_out.2.weight": AFTER_STEPS, "label_emb.weight": 5e-5}.items():
        ours = f"shifted.{_ours(theirs)}"
        _after_steps(parameters[ours], arrays[f"repr/steps/param/{theirs}"], tolerance)
        _after_steps(ema.shadow[ours], arrays[f"repr/steps/ema/{theirs}"])
    for name, parameter in objective.shifted.base.named_parameters():
        assert torch.equal(parameter, frozen[name])


def _ours(theirs: str) -> str:
    (name,) = original.shifted_noise_predictor({theirs: torch.ones(1)})
    return name


def _after_steps(ours: Tensor, theirs: Tensor, tolerance: float = AFTER_STEPS) -> None:
    torch.testing.assert_close(ours.detach().reshape(theirs.shape), theirs, rtol=0, atol=tolerance)
