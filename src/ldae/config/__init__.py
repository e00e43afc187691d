"""Every setting of a run, typed: `config/*.yaml` is checked against these sections before any job.

The values live in `config/config.yaml` (the paper) and its overlays, never here. A rule hands its
stage exactly the sections the stage reads; the stage parses them back into the same frozen models
(`ldae.settings`), so an unknown key, a wrong type or a value out of range never gets further.
"""

from ldae.config.cohort import Cohort, Ingestion, Matching, Selection, Split, Synthetic
from ldae.config.evaluation import (
    Bootstrap,
    Interpolation,
    Manipulation,
    Metrics,
    Probe,
    Reconstruction,
    Sampling,
    Variation,
)
from ldae.config.networks import AutoencoderNetwork, Discriminator, SemanticEncoder, UNet
from ldae.config.preprocessing import (
    BiasCorrection,
    BrainExtraction,
    Grid,
    Intensity,
    Preprocessing,
    Quality,
    Registration,
)
from ldae.config.run import Config, Resources, Results, StageResources
from ldae.config.section import Section
from ldae.config.training import (
    Autoencoder,
    AutoencoderLoss,
    Budget,
    Diffusion,
    Latents,
    Ldae,
    Ldm,
    Training,
)

__all__ = [
    "Autoencoder",
    "AutoencoderLoss",
    "AutoencoderNetwork",
    "BiasCorrection",
    "Bootstrap",
    "BrainExtraction",
    "Budget",
    "Cohort",
    "Config",
    "Diffusion",
    "Discriminator",
    "Grid",
    "Ingestion",
    "Intensity",
    "Interpolation",
    "Latents",
    "Ldae",
    "Ldm",
    "Manipulation",
    "Matching",
    "Metrics",
    "Preprocessing",
    "Probe",
    "Quality",
    "Reconstruction",
    "Registration",
    "Resources",
    "Results",
    "Sampling",
    "Section",
    "Selection",
    "SemanticEncoder",
    "Split",
    "StageResources",
    "Synthetic",
    "Training",
    "UNet",
    "Variation",
]
