"""The command line: one subcommand per stage, imported only when it is called."""

import logging
import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import NoReturn

from cyclopts import App, CycloptsError, Parameter, Token

from ldae import __version__
from ldae.config import Section
from ldae.errors import UserError
from ldae.provenance.recording import recorded
from ldae.runtime import configure_logging
from ldae.settings import load_settings

WORKFLOW = {
    "make-cohort": "Write a synthetic ADNI-like download: DICOM series and study tables.",
    "index-download": "Look at what a download holds, and plan which scan each session gets.",
    "convert-images": "Convert the planned images of one bucket to NIfTI.",
    "export-bids": "Describe the converted scans as BIDS, and every image in one table.",
    "fetch-weights": "Download weights of LPIPS, ImageNet and MedicalNet, checked.",
    "fetch-brain-network": "Download the network of the original's brain extraction.",
    "preprocess-scans": "Bias-correct, brain-extract and register one bucket of scans.",
    "gather-scans": "Join the preprocessed scans into the one table models read, with the split.",
    "train-autoencoder": "Train the autoencoder that compresses volumes to latents.",
    "encode-latents": "Store every scan's latent posterior and the latent scale.",
    "train-ldm": "Train the latent diffusion model.",
    "train-ldae": "Train semantic encoder and gradient estimator over the frozen diffusion model.",
    "train-dae": "Train the diffusion autoencoder on voxels, a baseline.",
    "train-supervised": "Train the semantic encoder for diagnosis or age, a baseline.",
    "predict-supervised": "Store what a supervised encoder says of every scan.",
    "embed-scans": "Store every scan's semantic code.",
    "embed-pca": "Store every scan's scores on the components of training volumes, a baseline.",
    "invert-scans": "Store every test scan's z_T for one model and number of steps.",
    "reconstruct-scans": "Reconstruct the test scans in one way, and score each.",
    "evaluate-reconstruction": "Put the scores of reconstructions together, and draw a scan.",
    "compare-models": "Put the models' reconstructions and latent sizes side by side.",
    "evaluate-probes": "Fit linear probes on semantic codes and score them on test subjects.",
    "evaluate-representation": "Measure whether the semantic code is alive.",
    "evaluate-interpolation": "Score sessions interpolated between two real ones.",
    "evaluate-manipulation": "Move scans along directions of the semantic code, and audit them.",
    "evaluate-variation": "Measure what varies among samples of one semantic code.",
    "sample-scans": "Generate scans from noise, without or with semantic codes.",
    "evaluate-generation": "Compare generated scans with real ones.",
    "measure-throughput": "Measure volumes per second of the diffusion autoencoders.",
    "compare-paper": "Put this run's numbers beside the paper's.",
    "write-report": "Write the self-contained results page.",
    "write-provenance": "Gather how each file of a run was made, with what and of what.",
}
SINGLE_SCAN = {
    "preprocess": "Preprocess one T1-weighted image.",
    "encode": "Encode one scan into its semantic code and latent.",
    "reconstruct": "Reconstruct one scan through the latent diffusion autoencoder.",
}
UPKEEP = {
    "doctor": "Say what an ADNI download holds, what it lacks, and what would come out.",
    "plan": "Predict time, memory and disk of every stage, before anything runs.",
    "status": "Say what of a run is done, at work and left, and how long that will take.",
    "verify": "Tell which files of a run were changed by hand, are missing or stale.",
    "show-headline": "Print a run's headline table and where its results page is.",
    "import-weights": "Make model folders of weights in the original's files.",
    "export-weights": "Write a run's models as files the original's code reads.",
    "check": "Check a configuration: keys, types, ranges and what must fit together.",
    "schema": "Write the JSON schema of the configuration.",
    "describe-settings": "Bring the page that explains every setting up to date.",
}

app = App(
    name="ldae",
    version=__version__,
    help="Latent diffusion autoencoders for brain MRI.",
    default_parameter=Parameter(consume_multiple=True, negative=()),
)
for group, commands in {
    "Single scans": SINGLE_SCAN,
    "Stages of the workflow": WORKFLOW,
    "Upkeep": UPKEEP,
}.items():
    for command, summary in commands.items():
        name = command.replace("-", "_")
        app.command(f"ldae.stages.{name}:{name}", name=command, help=summary, group=group)


def _settings(model: type[Section], tokens: Sequence[Token]) -> Section:
    return load_settings(model, *[token.value for token in tokens])


# Any argument typed as settings is read from a rule's JSON or from YAML files.
Parameter(converter=_settings, accepts_keys=False, n_tokens=-1)(Section)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run one subcommand; a mistake of the user ends in one line and exit status 1.

    Of `verify` status 1 is a finding, so its own errors end with 2.
    """
    words = sys.argv[1:] if arguments is None else arguments
    name = words[0] if words else ""
    try:
        configure_logging()
        if name in WORKFLOW:
            logging.info("$ ldae %s", shlex.join(words))
        command, given, _ = app.parse_args(words, exit_on_error=False, print_error=False)
        works = name in WORKFLOW and command.__name__ == name.replace("-", "_")  # else: --help
        with recorded(name, given.arguments) if works else nullcontext():
            status = command(*given.args, **given.kwargs)
    except (UserError, CycloptsError) as error:
        _stop(name, " ".join(str(error).split()))
    except OSError as error:  # no permission, a full disk
        where = f"{error.filename}: " if error.filename else ""
        _stop(name, f"{where}{error.strerror or error}")
    sys.exit(status if isinstance(status, int) else 0)


def _stop(name: str, problem: str) -> NoReturn:
    message = f"ldae {name}: {problem}"
    if name == "verify":
        sys.stderr.write(f"{message}\n")
        sys.exit(2)
    sys.exit(message)
