"""Make model folders of the weights that come from the original's authors, or from its code."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ldae import config
from ldae.errors import UserError
from ldae.models.autoencoder import build_autoencoder
from ldae.models.build import build_noise_predictor, build_semantic_encoder
from ldae.nets.gradient_estimator import ShiftedNoisePredictor
from ldae.runtime import atomic_folder, sha256
from ldae.weights import original
from ldae.weights.folder import load_model_config, save_model
from ldae.weights.original import Network, State
from ldae.weights.release import read_networks

COMPLETE: tuple[set[Network], ...] = (
    {"autoencoder"},
    {"autoencoder", "noise_predictor"},
    {"autoencoder", "shifted_noise_predictor", "semantic_encoder"},
)


class Settings(config.Section):
    """The form of the networks, which the files do not say, and what stands on record with them."""

    preprocessing: config.Preprocessing
    autoencoder: config.Autoencoder
    diffusion: config.Diffusion
    ldm: config.Ldm
    ldae: config.Ldae
    sampling: config.Sampling


def import_weights(files: list[Path], *, models: Path, settings: Settings) -> None:
    """Write the folders `autoencoder`, `ldm` and `ldae`, as far as the files reach.

    Where a training's checkpoint holds averaged weights, these are taken. Latents get the scale
    that is a constant in the original's code.

    Args:
        files: the release's autoencoderkl.pth, decoder.pth and encoder.pth, or a checkpoint of the
            original's pre-training or representation learning.
        models: the folder to make; nothing may be in it yet.
        settings: config/config.yaml with config/original.yaml on top.
    """
    networks = _translated(_gather(files), settings)
    shifted = networks.get("shifted_noise_predictor", {})
    base = networks.get("noise_predictor") or _part(shifted, "base.")
    record = {
        "imported_from": {path.name: sha256(path) for path in files},
        "settings": settings.model_dump(mode="json"),
    }
    grid, network = settings.preprocessing.grid, settings.autoencoder.network
    with atomic_folder(models) as folder:
        volumes = {"volume_shape": list(grid.shape), "spacing_mm": [grid.spacing_mm] * 3}
        below = _save(
            folder / "autoencoder", networks["autoencoder"], network, content=volumes | record
        )
        if base:
            latents = {
                "diffusion": settings.diffusion.model_dump(mode="json"),
                "latent_channels": network.latent_channels,
                "latent_scale": original.LATENT_SCALE,
                "autoencoder": below,
            }
            below = _save(folder / "ldm", base, settings.ldm.network, content=latents | record)
        if shifted:
            semantic_encoder = networks["semantic_encoder"]
            state = {
                f"semantic_encoder.{name}": tensor for name, tensor in semantic_encoder.items()
            }
            for name, tensor in _part(shifted, "estimator.").items():
                state[f"gradient_estimator.{name}"] = tensor
            encoder = settings.ldae.semantic_encoder
            _save(folder / "ldae", state, encoder, content={"ldm": below} | record)
    logging.info("%s: %s", models, ", ".join(sorted(path.name for path in models.iterdir())))


def _gather(files: list[Path]) -> dict[Network, tuple[Path, State]]:
    """Each network, in the original's names, with the one file that holds it."""
    found: dict[Network, tuple[Path, State]] = {}
    for path in files:
        for network, state in read_networks(path).items():
            if network in found:
                raise UserError(
                    f"{path}: holds the {_plain(network)} that {found[network][0]} holds too; "
                    "name one of the two"
                )
            found[network] = path, state
    if set(found) not in COMPLETE:
        raise UserError(
            f"found: {', '.join(map(_plain, found)) or 'nothing'}; needed is the autoencoder, "
            "alone, with the noise predictor of a pre-training, or with the shifted noise "
            "predictor (decoder.pth) and the semantic encoder (encoder.pth)"
        )
    return found


def _translated(
    found: Mapping[Network, tuple[Path, State]], settings: Settings
) -> dict[Network, State]:
    """The same networks in our names, every weight accounted for."""
    original.require_original_form(
        {
            "autoencoder.network": settings.autoencoder.network.model_dump(mode="json"),
            "ldm.network": settings.ldm.network.model_dump(mode="json"),
            "ldae.semantic_encoder": settings.ldae.semantic_encoder.model_dump(mode="json"),
            "diffusion": settings.diffusion.model_dump(mode="json"),
        }
    )
    latent_channels = settings.autoencoder.network.latent_channels
    encoder = settings.ldae.semantic_encoder
    with torch.device("meta"):  # for names and shapes alone
        noise_predictor = build_noise_predictor(settings.ldm.network, latent_channels)
        modules: dict[Network, torch.nn.Module] = {
            "autoencoder": build_autoencoder(settings.autoencoder.network),
            "noise_predictor": noise_predictor,
            "shifted_noise_predictor": ShiftedNoisePredictor(
                noise_predictor, encoder.embedding_dim
            ),
            "semantic_encoder": build_semantic_encoder(encoder, settings.preprocessing.grid.shape),
        }
    return {
        network: original.TRANSLATIONS[network].from_original(
            state, modules[network], source=str(path)
        )
        for network, (path, state) in found.items()
    }


def _part(state: State, prefix: str) -> State:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in state.items()
        if name.startswith(prefix)
    }


def _save(folder: Path, state: State, network: config.Section, *, content: dict[str, Any]) -> str:
    """Write one model folder; gives the hash of its weights, by which the next refers to it."""
    save_model(
        folder,
        module_state={name: tensor.float() for name, tensor in state.items()},
        config={"model": folder.name, "network": network.model_dump(mode="json"), **content},
    )
    return str(load_model_config(folder)["weights_sha256"])


def _plain(network: str) -> str:
    return network.replace("_", " ")
