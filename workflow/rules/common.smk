# What the rules share: the checked configuration, its slices, and the paths that depend on it.
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

from jsonschema import Draft202012Validator
from snakemake.exceptions import WorkflowError


def check(values):
    """Stop with one readable line when the configuration cannot be run."""
    with open(workflow.source_path("../schemas/config.schema.json")) as file:
        schema = json.load(file)
    found = [
        cause
        for fault in Draft202012Validator(schema).iter_errors(values)
        for cause in causes(fault)
    ]
    faults = sorted(found, key=lambda e: e.json_path)
    if faults:
        lines = [f"{fault.json_path.lstrip('$.')}: {fault.message}" for fault in faults]
        sys.exit("Configuration: {}".format("; ".join(lines).removeprefix(": ")))
    if shutil.which("ldae") is None:
        sys.exit(
            "The command `ldae` is not on the PATH: source .venv/bin/activate first"
        )
    command = ["ldae", "check", "--settings", json.dumps(values)]
    combined = subprocess.run(command, capture_output=True, text=True)
    if combined.returncode:
        sys.exit(
            "Configuration: {}".format(
                combined.stderr.strip()
                .rpartition("ldae check: ")[2]
                .removeprefix("--settings: ")
            )
        )


def causes(fault):
    """What is wrong within the kind that was meant, where a setting may be of several kinds."""
    if fault.validator != "oneOf":
        return [fault]
    other = [cause for cause in fault.context if cause.validator == "const"]
    excluded = {cause.schema_path[0] for cause in other}
    meant = [cause for cause in fault.context if cause.schema_path[0] not in excluded]
    return meant or other or [fault]


def section(*names, **renamed):
    """The named parts of the configuration as the JSON a stage parses; nothing else reruns it.

    `key="part"` hands over a part under the key that the stage reads.
    """
    parts = {name: name for name in names} | renamed
    return json.dumps(
        {key: config[part] for key, part in parts.items()}, sort_keys=True
    )


def download(wildcards):
    """Where the raw images are: the user's own, or the download the workflow makes."""
    if config["cohort"]["source"] == "synthetic":
        return f"{RUN}/download"
    if config["cohort"]["download"] is None:
        sys.exit(
            "Configuration: cohort.download is not set: give the folder of your ADNI download, e.g. "
            "`snakemake --config 'cohort={download: /data/ADNI}'`. How to get the data: README.md, "
            "'Getting ADNI'. Without ADNI, run `make demo`."
        )
    place = os.path.expanduser(config["cohort"]["download"])
    if not os.path.exists(place):
        sys.exit(f"Configuration: cohort.download: there is no {place}")
    return place


def download_contents(wildcards):
    """A hash that changes when something is added to the user's data, taken away or replaced.

    Snakemake looks at the time stamp of the top folder only. Folders are compared by the names in
    them, tables by content, zips, metadata and NIfTI files by size and time. The millions of slices
    are not touched: of the archive's folders of one image, only their time stamps are compared.
    """
    if config["cohort"]["source"] == "synthetic":
        return None  # made by a rule, which Snakemake watches
    digest, top, visited = hashlib.sha256(), download(wildcards), set()
    if os.path.isfile(top):
        return None  # a list of scans, whose time stamp Snakemake sees
    for folder, folders, files in os.walk(top, followlinks=True):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in visited:  # links may go round in circles
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        shown = sorted(name for name in folders if not name.startswith("."))
        folders[:] = [name for name in shown if not OF_ONE_IMAGE.fullmatch(name)]
        digest.update(os.fsencode(os.path.relpath(folder, top)))
        for name in [*shown, *sorted(name for name in files if name[0] != ".")]:
            mark = mark_of(os.path.join(folder, name))
            digest.update(b"\0".join([b"", os.fsencode(name), mark.encode()]))
    return digest.hexdigest()


def mark_of(path):
    """What changes with the content of a file or folder, where that is looked at."""
    name = os.path.basename(path).lower()
    try:
        if name.endswith((".csv", ".tsv")):
            with open(path, "rb") as table:
                return hashlib.file_digest(table, "sha256").hexdigest()
        if name.endswith((".zip", ".xml", ".nii", ".nii.gz")):
            status = os.stat(path)
            return f"{status.st_size} {status.st_mtime_ns}"
        if OF_ONE_IMAGE.fullmatch(os.path.basename(path)):
            return str(os.stat(path).st_mtime_ns)
    except OSError as error:  # a dead link, say: ingestion tells of it
        return str(error.strerror)
    return ""


def in_every_bucket(step):
    """The tables that `step` makes, one per bucket of scans; the index says which buckets there are."""

    def tables(wildcards):
        folder = checkpoints.index_download.get().output.buckets
        buckets = sorted(glob_wildcards(f"{folder}/{{bucket}}.parquet").bucket)
        return expand(f"{RUN}/cohort/{step}/{{bucket}}.parquet", bucket=buckets)

    return tables


def brain_network(wildcards):
    """The files of the brain extraction network, when that method is chosen."""
    if config["preprocessing"]["brain"]["method"] != "antspynet":
        return []
    return rules.fetch_brain_network.output[:2]


def supplied_masks(wildcards):
    """A hash that changes when a brain mask of the user's dataset is added or replaced."""
    brain = config["preprocessing"]["brain"]
    if brain["method"] != "mask" or brain["masks"] is None:
        return None
    digest, top = hashlib.sha256(), os.path.expanduser(brain["masks"])
    if not os.path.isdir(top):
        sys.exit(f"Configuration: preprocessing.brain.masks: there is no folder {top}")
    for folder, folders, files in os.walk(top, followlinks=True):
        folders.sort()
        for name in sorted(files):
            if "_desc-brain_mask.nii" in name:
                path = os.path.join(folder, name)
                status = os.stat(path)
                digest.update(f"{path} {status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()


def fetched(folder):
    """Whether others' weights are to be read from the folder that the workflow downloads to."""
    if folder is None:
        return False
    return os.path.realpath(os.path.expanduser(folder)) == os.path.realpath(WEIGHTS)


def published(name):
    """What changes when others' weights called `name`... appear in a folder of the user's own.

    The folder that the workflow fetches is an input, which Snakemake watches.
    """
    if config["pretrained"] is None or PUBLIC_WEIGHTS:
        return None
    folder = os.path.expanduser(config["pretrained"])
    found = os.listdir(folder) if os.path.isdir(folder) else []
    return [
        f"{file} {os.path.getsize(os.path.join(folder, file))}"
        for file in sorted(found)
        if file.startswith(name)
    ]


def model_files(name):
    """What a training leaves behind: keyword arguments for a rule's `output`."""
    folder = f"{RUN}/models/{name}"
    return {
        "weights": f"{folder}/weights.safetensors",
        "config": f"{folder}/config.json",
        "history": f"{folder}/train.jsonl",
    }


def resources(stage):
    """What a job of `stage` may use: keyword arguments for a rule's `resources`."""
    return {
        name: config["resources"][stage][name] for name in ("gpu", "mem_mb", "runtime")
    }


def threads_of(stage):
    """How many CPU threads a job of `stage` uses."""
    return config["resources"][stage]["threads"]


def weights_of(baseline):
    """The weights of a baseline, if it is among those asked for."""
    return expand(
        f"{RUN}/models/{{name}}/weights.safetensors",
        name=[name for name in TRAINED if name == baseline],
    )


def inversion(model, steps):
    """The index of the test scans' z_T of `model` after so many DDIM steps."""
    return f"{RUN}/inversions/{model}/T{steps}/index.parquet"


def weights_behind(model):
    """The weights that take part in what `model` makes of scans."""
    own = {"dae": ["dae"], "lddim": ["autoencoder", "ldm"]}
    parts = own.get(model, ["autoencoder", "ldm", "ldae"])
    return [f"{RUN}/models/{part}/weights.safetensors" for part in parts]


def inverted_for(wildcards):
    """The inversion that a part of the reconstructions starts from."""
    model = "ldae" if wildcards.part == "controls" else wildcards.part
    return inversion(model, wildcards.steps)


def reconstructed(file, parts):
    """The file of that name of each of `parts`: what is reconstructed, with how many DDIM steps."""
    return [f"{RUN}/reconstructions/{part}/T{steps}/{file}" for part, steps in parts]


def encoding_weights(wildcards):
    """The weights that an encoder is loaded with; those it has the form of, if it is untrained."""
    own = {"dae": ["dae"], "ldae-volume": ["autoencoder", "ldm", "ldae-volume"]}
    parts = own.get(wildcards.encoder, ["autoencoder", "ldm", "ldae"])
    return [f"{RUN}/models/{part}/weights.safetensors" for part in parts]


def every_core(stage):
    """All of this machine, so that nothing runs beside; on a cluster, what `stage` may use."""
    try:
        return workflow.cores
    except WorkflowError:  # no --cores: each job has what the scheduler gives it
        return threads_of(stage)


check(config)
RUN = f"results/{config['run']}"
OF_ONE_IMAGE = re.compile(
    r"[SI]\d+"
)  # folders S<series id> or I<image id> of the archive
DERIVATIVES = f"{RUN}/derivatives/ldae"
MODELS = {
    name: f"{RUN}/models/{name}/weights.safetensors"
    for name in ("autoencoder", "ldm", "ldae")
}
BASELINES = {
    "ldae-volume": ["ldae-volume"],
    "dae": ["dae"],
    "supervised": ["supervised-diagnosis", "supervised-age"],
}
TRAINED = [
    *MODELS,
    *[
        name
        for each in BASELINES
        if each in config["baselines"]
        for name in BASELINES[each]
    ],
]
PREDICTIONS = [
    f"{RUN}/predictions/{name}.parquet" for name in TRAINED if "supervised" in name
]
ENCODERS = [
    name
    for name in ("ldae", "ldae-volume", "dae", "random-init")
    if name in [*TRAINED, "random-init"]
]
EMBEDDINGS = expand(
    f"{RUN}/embeddings/{{encoder}}.parquet", encoder=[*ENCODERS, "voxel-pca"]
)
EDITS = ["interpolation", "manipulation", "variation"]
TABLES = [
    *("paper", "reconstruction", "models", "downstream", "downstream_by_group"),
    *("downstream_compared", "representation", "representation_by_time"),
    *(*EDITS, "manipulation_audits", "generation", "throughput"),
]
PAPERS_TABLES = [
    *("reconstruction", "models", "downstream", "interpolation", "throughput"),
]
FIGURES = ["reconstruction", *EDITS, "generation"]
INVERTED = [  # models that reconstruct from their own z_T, with each number of DDIM steps
    (model, T)
    for model, steps in {
        "ldae": sorted(set(config["reconstruction"]["steps"])),
        "lddim": [max(config["reconstruction"]["steps"])],
        "dae": [config["reconstruction"]["dae_steps"]],
    }.items()
    if model in ["ldae", *config["baselines"]]
    for T in steps
]
CONTROLS = ("controls", config["reconstruction"]["control_steps"])
GENERATORS = ["ldm", "ldae"]
TIMED = ["ldae", *[name for name in ["dae"] if name in TRAINED]]
WEIGHTS = "resources/weights"
PUBLIC_WEIGHTS = (  # of others: what jobs wait for when `pretrained` names this folder
    [f"{WEIGHTS}/checksums.json"] if fetched(config["pretrained"]) else []
)
ENVIRONMENT = workflow.source_path("../../envs/ldae.yaml")
BRAIN_NETWORK = "resources/antspynet"
BRAIN_ENVIRONMENT = (
    workflow.source_path("../../envs/antspynet.yaml")
    if config["preprocessing"]["brain"]["method"] == "antspynet"
    else ENVIRONMENT
)
