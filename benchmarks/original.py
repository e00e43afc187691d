"""What the code published with the paper computes, imported from a checkout of it.

Nothing of it is part of this project: the benchmarks call it where a user has it. It imports
monai-generative, which must be installed; what it logs with is replaced by nothing.
"""

import contextlib
import importlib
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

UNUSED = {"wandb": "Image", "lpips": "LPIPS"}  # imported by it, not needed for what is timed
RATE, CLIP, DECAY = 2.5e-5, 1.0, 0.999  # of its configuration


class Original:
    """What is timed, built from a checkout of the original's repository."""

    def __init__(self, checkout: Path, device: torch.device) -> None:
        for name, attribute in UNUSED.items():
            try:
                importlib.import_module(name)
            except ImportError:
                sys.modules[name] = types.ModuleType(name)
                setattr(sys.modules[name], attribute, object)
        sys.path.insert(0, str(checkout))
        with contextlib.redirect_stdout(sys.stderr):
            self.nets = importlib.import_module("src.ldae.nets")
            self.module = importlib.import_module("src.ldae.ldae").LatentDiffusionAutoencoders
            diffusion = importlib.import_module("src.ldae.diffusion.gaussian_diffusion")
            loops = importlib.import_module("src.ldae.diffusion.ddim")
        loops.tqdm = lambda steps, **_: steps  # no progress bars
        self.device = device
        self.diffusion = diffusion.GaussianDiffusion(
            {"timesteps": 1000, "betas_type": "linear"}, device
        )

    def noise_predictor(self, unet: dict[str, Any]) -> nn.Module:
        """Its UNet."""
        return self.nets.UNet(**unet).to(self.device)

    def shifted(self, unet: dict[str, Any], code: int) -> nn.Module:
        """Its UNet with the gradient estimator beside."""
        return self.nets.ShiftUNet(latent_dim=code, **unet).to(self.device)

    def encoder(self, backbone: str, *, slices: int, code: int) -> nn.Module:
        """Its 2.5D encoder on a torchvision backbone."""
        options = {
            "net_class_path": f"torchvision.models.{backbone}",
            "weights": None,
            "freeze_perc": 0.0,
            "grayscale": True,
        }
        with contextlib.redirect_stdout(sys.stderr):
            built = self.nets.AttentionSemanticEncoder(
                backbone_args=options, emb_chans=code, seq_len=slices
            )
        return built.to(self.device)

    def ldm_step(self, unet: nn.Module, z_0: Tensor) -> Callable[[], object]:
        """One step of its first stage."""

        def loss() -> Tensor:
            return self.diffusion.regular_train_one_batch(denoise_fn=unet, x_0=z_0)[
                "prediction_loss"
            ]

        return self._step(loss, [unet], list(unet.parameters()))

    def ldae_step(
        self, encoder: nn.Module, decoder: Any, x: Tensor, z_0: Tensor
    ) -> Callable[[], object]:
        """One step of its second stage."""
        decoder.set_train_mode()
        heads = ("label_emb", "shift_middle_block", "shift_output_blocks", "shift_out")
        trained = [p for part in heads for p in getattr(decoder, part).parameters()]

        def loss() -> Tensor:
            return self.diffusion.latent_representation_learning_train_one_batch(
                encoder=encoder, decoder=decoder, x_0=x, z_0=z_0
            )["prediction_loss"]

        return self._step(loss, [encoder, decoder], [*encoder.parameters(), *trained])

    def _step(
        self, loss: Callable[[], Tensor], averaged: list[nn.Module], trained: list[nn.Parameter]
    ) -> Callable[[], object]:
        """Gradient, clipping, Adam and moving averages in its order and its way."""
        optimiser = torch.optim.Adam(trained, lr=RATE)
        averages = [self._copy(module) for module in averaged]

        def step() -> None:
            optimiser.zero_grad()
            loss().backward()
            nn.utils.clip_grad_norm_(trained, CLIP)
            optimiser.step()
            for average, module in zip(averages, averaged, strict=True):
                self.module.update_ema(None, average, module, DECAY)

        return step

    @staticmethod
    def _copy(module: nn.Module) -> nn.Module:
        import copy  # noqa: PLC0415

        return copy.deepcopy(module).eval().requires_grad_(False)

    def invert(self, decoder: nn.Module, z_0: Tensor, y: Tensor, steps: int) -> Tensor:
        """Its DDIM inversion."""
        with torch.no_grad():
            return self.diffusion.latent_representation_learning_ddim_encode(
                f"ddim{steps}", None, decoder, None, z_0, y, disable_tqdm=True
            )

    def sample(self, decoder: nn.Module, z_T: Tensor, y: Tensor, steps: int) -> Tensor:
        """Its DDIM sampling."""
        with torch.no_grad():
            return self.diffusion.representation_learning_ddim_sample(
                f"ddim{steps}", None, decoder, None, z_T, y, stop_percent=0.0, disable_tqdm=True
            )
