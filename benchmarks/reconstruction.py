"""What reconstructing together saves over reconstructing one by one, at the demo's sizes.

Untrained networks of `config/config.yaml` + `config/demo.yaml` (or those given) decode and denoise
the same scans one by one, in batches of scans, and with several starts of each scan stacked. CPU
time of one thread, the best of several rounds, all ways taking turns in one process.

    python benchmarks/reconstruction.py [--scans 16] [--rounds 3] [--settings FILE ...]
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from ldae.config import Autoencoder, Ldae, Ldm, Preprocessing, Section
from ldae.models.autoencoder import build_autoencoder
from ldae.models.build import build_noise_predictor
from ldae.nets.gradient_estimator import ShiftedNoisePredictor
from ldae.settings import load_settings

CONFIG = Path(__file__).parents[1] / "config"
STARTS = 5  # of the LDAE at the controls' number of steps


class Settings(Section):
    """The sections that give the networks their sizes."""

    preprocessing: Preprocessing
    autoencoder: Autoencoder
    ldm: Ldm
    ldae: Ldae


def ways(settings: Settings, scans: int) -> dict[str, dict[str, Callable[[], None]]]:
    """By task and name: each does the same work for `scans` scans."""
    autoencoder = build_autoencoder(settings.autoencoder.network).eval()
    shape = autoencoder.latent_shape(settings.preprocessing.grid.shape)
    embedding = settings.ldae.semantic_encoder.embedding_dim
    unet = build_noise_predictor(settings.ldm.network, shape[0])
    shifted = ShiftedNoisePredictor(unet, embedding).eval()
    z, y, t = torch.randn(scans, *shape), torch.randn(scans, embedding), torch.tensor([500])

    def decode(size: int) -> None:
        for part in torch.split(z, size):
            autoencoder.decode(part)

    def denoise(size: int, starts: int) -> None:
        """`STARTS` starts of each scan, `starts` of them stacked."""
        for _ in range(STARTS // starts):
            for part, code in zip(torch.split(z, size), torch.split(y, size), strict=True):
                stacked = part.repeat(starts, 1, 1, 1, 1)
                shifted(stacked, t.expand(len(stacked)), code.repeat(starts, 1))

    return {
        "decode": {"one by one": lambda: decode(1), "together": lambda: decode(scans)},
        f"one DDIM step, {STARTS} starts": {
            "one by one": lambda: denoise(1, 1),
            "scans together": lambda: denoise(scans, 1),
            "scans and starts together": lambda: denoise(scans, STARTS),
        },
    }


def best_of(rounds: int, work: dict[str, Callable[[], None]]) -> dict[str, float]:
    """CPU seconds of each way, the least of `rounds`, after one that does not count."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds + 1):
        for name, do in work.items():
            before = time.process_time()
            do()
            taken[name].append(time.process_time() - before)
    return {name: min(seconds[1:]) for name, seconds in taken.items()}


def main() -> None:
    """Print a table of milliseconds per scan, and how many times as fast as one by one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scans", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--settings", nargs="+", default=["config.yaml", "demo.yaml"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    paths = [str(CONFIG / name) for name in arguments.settings]
    settings = load_settings(Settings, *paths)
    lines = ["| work | way | CPU ms a scan | times as fast |", "|---|---|---|---|"]
    with torch.inference_mode():
        for task, work in ways(settings, arguments.scans).items():
            seconds = best_of(arguments.rounds, work)
            for name, each in seconds.items():
                factor = seconds["one by one"] / each
                milliseconds = 1e3 * each / arguments.scans
                lines.append(f"| {task} | {name} | {milliseconds:.1f} | {factor:.1f} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
