"""The models of a folder, opened for single scans."""

import logging
from pathlib import Path

import torch

from ldae.errors import UserError
from ldae.models.ldae import load_ldae
from ldae.pretrained.answers import read_answers
from ldae.pretrained.contract import CONTRACT, read_contract
from ldae.pretrained.model import Model


def open_models(models: Path, *, device: torch.device) -> Model:
    """The latent diffusion autoencoder in `models`, its contract and its probes.

    Raises:
        UserError: a file is missing, damaged, edited, or belongs to others than lie beside it.
    """
    if not models.is_dir():
        raise UserError(f"{models}: there is no such folder; name the models of a finished run")
    contract = read_contract(models)
    if contract is None:
        logging.warning(
            "%s: no %s, so of scans only grid and intensities are checked", models, CONTRACT
        )
    clip = None if contract is None else contract.sampling.clip
    answers = read_answers(models, expected=None if contract is None else contract.probes)
    networks = load_ldae(models, clip=clip, device=device)
    return Model(networks, contract, answers, folder=models)


def device_called(name: str) -> torch.device:
    """The device that torch calls `name`.

    Raises:
        UserError: there is none, or torch cannot use it.
    """
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built with CUDA
        why = str(error).split("\n", maxsplit=1)[0]
        raise UserError(f"device {name!r} cannot be used: {why}") from None
    return device
