"""Write a run's models as the original's code reads them."""

import logging
from pathlib import Path

import torch

from ldae.models.ldae import load_ldae
from ldae.runtime import atomic_folder
from ldae.weights import original
from ldae.weights.folder import load_model_config
from ldae.weights.original import Network, State
from ldae.weights.release import FILES, write_networks

MODELS = ("autoencoder", "ldm", "ldae")


def export_weights(*, models: Path, output: Path) -> None:
    """Write autoencoderkl.pth, decoder.pth and encoder.pth, the state dicts of its networks.

    Args:
        models: the folder of `autoencoder`, `ldm` and `ldae`.
        output: the folder to make; nothing may be in it yet.
    """
    model = load_ldae(models, device=torch.device("cpu"))
    autoencoder, ldm, ldae = (load_model_config(models / name) for name in MODELS)
    original.require_original_form(
        {
            "autoencoder.network": autoencoder["network"],
            "ldm.network": ldm["network"],
            "ldae.semantic_encoder": ldae["network"],
            "diffusion": ldm["diffusion"],
        }
    )
    modules: dict[Network, torch.nn.Module] = {
        "autoencoder": model.autoencoder,
        "shifted_noise_predictor": model.shifted,
        "semantic_encoder": model.semantic_encoder,
    }
    networks: dict[Network, State] = {
        network: original.TRANSLATIONS[network].to_original(module.state_dict())
        for network, module in modules.items()
    }
    with atomic_folder(output) as folder:
        write_networks(folder, networks, slices=model.volume_shape[2])
    logging.info("%s: %s", output, ", ".join(FILES.values()))
    if model.latent_scale != original.LATENT_SCALE:
        logging.warning(
            "these latents are scaled by %.6g: change the constant %.4f in the original's code",
            model.latent_scale,
            original.LATENT_SCALE,
        )
