"""The stages of a run in their order: their jobs, what they wait for and what a job may use."""

from collections.abc import Mapping
from dataclasses import dataclass

from ldae import config


@dataclass(frozen=True)
class Outline:
    """Of one stage.

    Attributes:
        groups: how logs and benchmark files of its jobs begin: `convert` for `convert/0000`.
        after: stages that must be done before, as far as the run has them.
        section: of `resources`, that its jobs are under.
        light: most of its jobs take one thread and no GPU, whatever the section says.
    """

    groups: tuple[str, ...]
    after: tuple[str, ...]
    section: str
    light: bool = False

    def resources(self, settings: config.Config) -> config.StageResources:
        """What a job may use."""
        asked: config.StageResources = getattr(settings.resources, self.section)
        return asked.model_copy(update={"gpu": 0, "threads": 1}) if self.light else asked


def _supervised(task: str) -> Outline:
    groups = (f"train_supervised-{task}", f"predict_supervised-{task}")
    return Outline(groups, ("preprocess",), "train")


_CODED = ("embeddings", "inversions")
_PREDICTED = ("supervised-diagnosis", "supervised-age")
OUTLINE: Mapping[str, Outline] = {
    "ingest": Outline(
        ("make_cohort", "index_download", "convert", "export_bids"), (), "cohort", light=True
    ),
    "preprocess": Outline(("preprocess", "gather_scans"), ("ingest",), "preprocess"),
    "autoencoder": Outline(("train_autoencoder",), ("preprocess",), "autoencoder"),
    "latents": Outline(("encode_latents",), ("autoencoder",), "train"),
    "ldm": Outline(("train_ldm",), ("latents",), "train"),
    "ldae": Outline(("train_ldae",), ("ldm",), "train"),
    "ldae-volume": Outline(("train_ldae-volume",), ("ldm",), "train"),
    "dae": Outline(("train_dae",), ("preprocess",), "train"),
    "supervised-diagnosis": _supervised("diagnosis"),
    "supervised-age": _supervised("age"),
    "embeddings": Outline(("embed",), ("ldae", "ldae-volume", "dae"), "evaluate"),
    "inversions": Outline(("invert",), ("ldae", "dae"), "evaluate"),
    "reconstruction": Outline(
        ("reconstruct", "evaluate_reconstruction", "compare_models"), _CODED, "evaluate"
    ),
    "representation": Outline(
        ("evaluate_representation",), (*_CODED, *_PREDICTED, "reconstruction"), "evaluate"
    ),
    "probes": Outline(
        ("evaluate_probes", "write_contract"),
        ("embeddings", *_PREDICTED),
        "evaluate",
        light=True,
    ),
    "interpolation": Outline(("evaluate_interpolation",), _CODED, "evaluate"),
    "manipulation": Outline(("evaluate_manipulation",), _CODED, "evaluate"),
    "variation": Outline(("evaluate_variation",), ("embeddings",), "evaluate"),
    "generation": Outline(("sample", "evaluate_generation"), ("embeddings",), "evaluate"),
    "throughput": Outline(("measure_throughput",), ("ldae", "dae"), "evaluate"),
    "explorer": Outline(("write_explorer",), _CODED, "evaluate"),
    "report": Outline(
        ("compare_paper", "write_report", "write_provenance"),
        (
            *("probes", "representation", "interpolation", "manipulation", "variation"),
            *("generation", "throughput", "explorer"),
        ),
        "preprocess",
        light=True,
    ),
}


def stage_of(group: str) -> str:
    """The stage that jobs of `group` belong to; of one that none has, the group itself."""
    return next((name for name, stage in OUTLINE.items() if group in stage.groups), group)
