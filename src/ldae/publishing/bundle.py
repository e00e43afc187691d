"""The configuration files of a MONAI bundle."""

from importlib.metadata import version
from typing import Any

from ldae import __version__
from ldae.origin import in_words
from ldae.publishing import numbers
from ldae.publishing.caveats import caveats
from ldae.publishing.facts import Facts
from ldae.publishing.pages import COHORTS, PAPER
from ldae.publishing.terms import Terms

SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/"
    "meta_schema_20240725.json"
)
HERE = "ldae.publishing"
REQUIRED = ("nibabel", "pydantic", "torchvision")  # of what ldae needs, to build and run


def metadata(facts: Facts, terms: Terms, *, authors: str) -> dict[str, Any]:
    """`configs/metadata.json`, by MONAI's schema of July 2024."""
    stored = facts.stored
    shape = stored["autoencoder"]["volume_shape"]
    image = _tensor("T1-weighted brain, preprocessed", shape)
    return {
        "schema": SCHEMA,
        "name": "Latent diffusion autoencoder of T1-weighted brains",
        "version": __version__,
        "changelog": {__version__: f"exported from the run {facts.run}"},
        "monai_version": version("monai"),
        "pytorch_version": version("torch").partition("+")[0],
        "numpy_version": version("numpy"),
        "required_packages_version": {"ldae": __version__}
        | {package: version(package) for package in REQUIRED},
        "task": "Encoding and reconstruction of T1-weighted brain MRI",
        "description": (
            "Latent diffusion autoencoder: a semantic code and noise for each volume, and the "
            f"volume made again from both. Made with {in_words(facts.version, facts.commit)}."
        ),
        "authors": authors,
        "copyright": terms.words,
        "data_source": COHORTS[facts.settings.cohort.source],
        "data_type": "nibabel",
        "image_classes": "one channel, T1-weighted brain in template space, within [0, 1]",
        "pred_classes": "one channel, reconstruction of the image, within [0, 1]",
        "eval_metrics": {
            f"{score.task}_{score.metric}": score.value for score in numbers.scores(facts.tables)
        },
        "intended_use": "Research only; not for decisions about any person. "
        + " ".join(caveats(facts)),
        "references": [f"Lozupone et al. Latent Diffusion Autoencoders. {PAPER}"],
        "network_data_format": {
            "inputs": {"image": image},
            "outputs": {"pred": _tensor("reconstruction", shape)},
        },
        "semantic_encoder_data_format": {
            "inputs": {"image": image},
            "outputs": {"pred": _code(stored["ldae"]["network"]["embedding_dim"])},
        },
    }


def inference(facts: Facts, *, steps: int) -> dict[str, Any]:
    """`configs/inference.json`: from a scan to its reconstruction."""
    stored = facts.stored
    grid = stored["autoencoder"]
    return {
        "imports": ["$import glob", "$import torch"],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/data'",
        "output_dir": "$@bundle_root + '/eval'",
        "checkpoint": "$@bundle_root + '/models/model.pt'",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "steps": steps,
        "volume": {"shape": grid["volume_shape"], "spacing_mm": grid["spacing_mm"]},
        "network_def": {
            "_target_": f"{HERE}.network.bundled_ldae",
            "volume": "@volume",
            "autoencoder": stored["autoencoder"]["network"],
            "noise_predictor": stored["ldm"]["network"],
            "semantic_encoder": {"kind": "slices"} | stored["ldae"]["network"],
            "diffusion": stored["ldm"]["diffusion"],
            "sampling": {
                "steps": "@steps",
                "clip": facts.settings.sampling.clip,
                "latent_scale": stored["ldm"]["latent_scale"],
            },
        },
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": ["image"]},
                {"_target_": "EnsureChannelFirstd", "keys": ["image"]},
                {"_target_": "Orientationd", "keys": ["image"], "axcodes": "RAS", "labels": None},
                {
                    "_target_": f"{HERE}.inference.RequirePreprocessed",
                    "key": "image",
                    "shape": "@volume#shape",
                    "spacing_mm": "@volume#spacing_mm",
                },
            ],
        },
        "images": "$sorted(glob.glob(@dataset_dir + '/**/*_T1w.nii.gz', recursive=True))",
        "dataset": {
            "_target_": "Dataset",
            "data": "$[{'image': path} for path in @images]",
            "transform": "@preprocessing",
        },
        "inferer": {"_target_": "SimpleInferer"},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {
                    "_target_": "SaveImaged",
                    "keys": ["pred"],
                    "output_dir": "@output_dir",
                    "output_postfix": "reconstruction",
                    "separate_folder": False,
                }
            ],
        },
        "evaluator": {
            "_target_": f"{HERE}.inference.Evaluator",
            "dataset": "@dataset",
            "network": "@network_def",
            "checkpoint": "@checkpoint",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "device": "@device",
        },
        "run": ["$@evaluator.run()"],
    }


def encoding() -> dict[str, Any]:
    """`configs/encode.json`, laid over the other: from a scan to its semantic code."""
    return {
        "inferer": {"_target_": f"{HERE}.inference.EncodeInferer"},
        "postprocessing": {
            "_target_": f"{HERE}.inference.SaveCode",
            "key": "pred",
            "output_dir": "@output_dir",
        },
    }


def _tensor(what: str, shape: list[int]) -> dict[str, Any]:
    return {
        "type": "image",
        "format": "magnitude",
        "modality": "MR",
        "num_channels": 1,
        "spatial_shape": shape,
        "dtype": "float32",
        "value_range": [0, 1],
        "is_patch_data": False,
        "channel_def": {"0": what},
    }


def _code(size: int) -> dict[str, Any]:
    return {
        "type": "tuples",
        "format": "latent",
        "modality": "n/a",
        "num_channels": size,
        "spatial_shape": [],
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": False,
        "channel_def": {},
    }
