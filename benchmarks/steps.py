"""What a step of training and of DDIM costs: ours, beside the original's where a checkout is given.

    python benchmarks/steps.py [--original CHECKOUT] [--size small] [--device cpu]
        [--precision bf16-mixed] [--turns 5]

Same architecture and batch, no data loading. The original computes in float32, ours also in the
precision asked for: the configuration's is bf16-mixed. Each turn runs every case once of
either code, one after the other, so that both see the same machine; medians over turns. A training
step is forward, backward, clipping, Adam and moving average. The ratio is of CPU seconds on a CPU
(a shared machine disturbs them least), of wall seconds on a GPU.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from ldae.config import SemanticEncoder, UNet
from ldae.diffusion import ddim
from ldae.diffusion.schedule import NoiseSchedule
from ldae.diffusion.shift import score_shift
from ldae.models.build import build_noise_predictor, build_semantic_encoder, representation
from ldae.nets.gradient_estimator import ShiftedNoisePredictor
from ldae.objectives import NoiseObjective, RepresentationObjective
from ldae.training.batches import Batch
from ldae.training.ema import Ema
from ldae.training.steps import GradientStep
from original import CLIP, DECAY, RATE, Original

CODE, CHANNELS, DDIM_STEPS, TIMESTEPS = 768, 3, 10, 1000


class Size(NamedTuple):
    """Of the networks and what they are given."""

    base: int
    latent: tuple[int, int, int]
    volume: tuple[int, int, int]
    backbone: str
    depths: tuple[int, ...]
    ldm_batch: int
    ldae_batch: int


SIZES = {
    "small": Size(32, (8, 12, 8), (64, 80, 8), "convnext_tiny", (3, 3, 9, 3), 2, 1),
    "medium": Size(64, (16, 20, 16), (128, 160, 32), "convnext_tiny", (3, 3, 9, 3), 2, 1),
    "paper": Size(256, (16, 20, 16), (128, 160, 128), "convnext_small", (3, 3, 27, 3), 64, 4),
}
Cases = dict[str, Callable[[], object]]
Precision = Literal["32-true", "bf16-mixed"]


def ours(size: Size, device: torch.device, precision: Precision) -> Cases:
    """The cases by this project's code."""
    fabric = Fabric(accelerator=device.type, devices=1, precision=precision)
    schedule = NoiseSchedule.linear(timesteps=TIMESTEPS, beta_start=1e-4, beta_end=0.02).to(device)
    unet = UNet(
        base_channels=size.base,
        multipliers=(1, 2, 3),
        res_blocks=2,
        attention_at=(2, 4),
        heads=1,
        norm_groups=32,
        dropout=0.1,
        downsample=(1, 2, 2),  # the original's
    )
    settings = SemanticEncoder(
        widths=(96, 192, 384, 768),
        depths=size.depths,
        stochastic_depth=0.0,
        pool=(1, 1),
        embedding_dim=CODE,
        heads=8,
        dropout=0.1,
        initialise="random",
        standardise=False,
    )
    encoder = build_semantic_encoder(settings, size.volume).to(device)
    shifted = ShiftedNoisePredictor(build_noise_predictor(unet, CHANNELS), CODE).to(device)
    predictor = build_noise_predictor(unet, CHANNELS).to(device)
    y = torch.randn(1, CODE, device=device)
    z = torch.randn(1, CHANNELS, *size.latent, device=device)
    x = torch.rand(1, 1, *size.volume, device=device)

    def eps(z_t: Tensor, t: Tensor) -> Tensor:
        noise, gradient = shifted(z_t, t, y)
        return noise + score_shift(schedule, t, like=z_t) * gradient

    def training(
        objective: nn.Module, averaged: nn.Module, **tensors: Tensor
    ) -> Callable[[], None]:
        step = GradientStep(objective, averaged, fabric=fabric, learning_rate=RATE, clip_norm=CLIP)
        ema = Ema(averaged, DECAY)
        batch = Batch({name: value.to(device) for name, value in tensors.items()}, [])

        def once() -> None:
            step.gradients([batch], samples_seen=0)
            step.update(1.0)
            ema.update()

        return once

    def inference(work: Callable[[], object]) -> Callable[[], None]:
        def once() -> None:
            encoder.eval(), shifted.eval()
            with torch.inference_mode(), fabric.autocast():
                work()
            encoder.train(), shifted.train()

        return once

    return {
        "LDM step": training(
            NoiseObjective(predictor, schedule), predictor, **_latents(size, size.ldm_batch)
        ),
        "LDAE step": training(
            RepresentationObjective(encoder, shifted, schedule, 0.1),
            representation(encoder, shifted),
            x=torch.rand(size.ldae_batch, 1, *size.volume),
            **_latents(size, size.ldae_batch),
        ),
        "encoder forward": inference(lambda: encoder(x)),
        "DDIM inversion": inference(lambda: ddim.invert(eps, z, schedule, steps=DDIM_STEPS)),
        "DDIM sampling": inference(lambda: ddim.sample(eps, z, schedule, steps=DDIM_STEPS)),
    }


def theirs(size: Size, device: torch.device, checkout: Path) -> Cases:
    """The cases by the original's code."""
    original = Original(checkout, device)
    unet = {
        "input_channel": CHANNELS,
        "base_channel": size.base,
        "channel_multiplier": [1, 2, 3],
        "num_residual_blocks_of_a_block": 2,
        "attention_resolutions": [2, 4],
        "num_heads": 1,
        "head_channel": -1,
        "use_new_attention_order": False,
        "dropout": 0.1,
        "dims": 3,
    }
    x_axis, y_axis, slices = size.volume
    encoder = original.encoder(size.backbone, slices=slices, code=CODE)
    decoder = original.shifted(unet, CODE)
    y = torch.randn(1, CODE, device=device)
    z = torch.randn(1, CHANNELS, *size.latent, device=device)
    x = torch.rand(1, 1, slices, x_axis, y_axis, device=device)  # its data module cuts slices first
    many_x = torch.rand(size.ldae_batch, 1, slices, x_axis, y_axis, device=device)
    many_z = torch.randn(size.ldae_batch, CHANNELS, *size.latent, device=device)
    ldm_z = torch.randn(size.ldm_batch, CHANNELS, *size.latent, device=device)

    def forward() -> None:
        encoder.eval()
        with torch.no_grad():
            encoder(x)
        encoder.train()

    return {
        "LDM step": original.ldm_step(original.noise_predictor(unet), ldm_z),
        "LDAE step": original.ldae_step(encoder, decoder, many_x, many_z),
        "encoder forward": forward,
        "DDIM inversion": lambda: original.invert(decoder, z, y, DDIM_STEPS),
        "DDIM sampling": lambda: original.sample(decoder, z, y, DDIM_STEPS),
    }


def _latents(size: Size, batch: int) -> dict[str, Tensor]:
    shape = (batch, CHANNELS, *size.latent)
    return {
        "z_0": torch.randn(shape),
        "noise": torch.randn(shape),
        "t": torch.randint(TIMESTEPS, (batch,)),
    }


def measure(codes: dict[str, Cases], *, turns: int, device: torch.device) -> None:
    """Print the medians of every case, and the ratio where two codes are compared."""
    gpu = device.type == "cuda"
    header = f"{'case':<18}" + "".join(f"{name + ' wall s':>24}{'CPU s':>9}" for name in codes)
    sys.stdout.write(header + "   ratios\n")
    for case in next(iter(codes.values())):
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in codes}
        for _ in range(turns + 1):  # the first warms up
            for name, cases in codes.items():
                wall, cpu = time.perf_counter(), time.process_time()
                cases[case]()
                if gpu:
                    torch.cuda.synchronize()
                taken[name].append((time.perf_counter() - wall, time.process_time() - cpu))
        middle = {
            name: [statistics.median(column) for column in zip(*of[1:], strict=True)]
            for name, of in taken.items()
        }
        line = f"{case:<18}" + "".join(f"{wall:>24.3f}{cpu:>9.3f}" for wall, cpu in middle.values())
        if "original" in codes:
            line += "".join(
                f"{middle['original'][not gpu] / of[not gpu]:>9.2f}"
                for name, of in middle.items()
                if name != "original"
            )
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--original", type=Path)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("32-true", "bf16-mixed"), default="bf16-mixed")
    parser.add_argument("--turns", type=int, default=5)
    arguments = parser.parse_args()
    where, chosen = torch.device(arguments.device), SIZES[arguments.size]
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high")
    both = {
        f"ours, {kind}": ours(chosen, where, kind)
        for kind in dict.fromkeys(["32-true", arguments.precision])
    }
    if arguments.original:
        both["original"] = theirs(chosen, where, arguments.original)
    measure(both, turns=arguments.turns, device=where)
