# What the rules share: the checked configuration, its slices, and the paths that depend on it.
import fcntl
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from datetime import datetime

from snakemake.exceptions import WorkflowError


def check(values):
    """Stop with one readable line when the configuration cannot be run."""
    if shutil.which("ldae") is None:
        sys.exit(
            "The command `ldae` is not on the PATH: source .venv/bin/activate first"
        )
    files = workflow.configfiles  # the workflow's own is the last
    places = dict.fromkeys(map(os.path.relpath, [*files[-1:], *files]))
    try:
        settings = json.dumps(
            values, default=repr
        )  # YAML has dates, say, where text is meant
    except (TypeError, ValueError) as fault:  # as keys, or a group that holds itself
        sys.exit(f"Configuration: {fault} (in {', '.join(places)})")
    command = ["ldae", "check", "--settings", settings, *counted_gpus()]
    command += ["--files", *places]
    checked = subprocess.run(command, capture_output=True, text=True)
    if checked.returncode:
        fault = checked.stderr.strip().rpartition("ldae check: ")[2]
        sys.exit(
            f"Configuration: {fault.removeprefix('--settings: ')} (in {', '.join(places)})"
        )
    sys.stderr.write(checked.stderr)  # warnings


def counted_gpus():
    """`--resources gpu=N`, which may be more than this machine has; not where a cluster counts."""
    limit = getattr(workflow.global_resources.get("gpu"), "value", None)
    here = workflow.nodes is None  # no --jobs
    return ["--gpus", str(limit)] if here and limit is not None else []


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


def shown(path, category):
    """An output that `snakemake --report` shows, with the caption named like it."""
    folder, name = os.path.split(os.path.splitext(path)[0])
    caption = f"../report/{os.path.basename(folder)}/{name}.rst"
    return report(path, caption=caption, category=category)


def resources(stage, most_gpus=None):
    """What a job of `stage` may use: keyword arguments for a rule's `resources`.

    Tried again, it gets as much memory again, and as much time: a training does not need this, since
    it goes on where it was stopped.
    """
    asked = config["resources"][stage]
    continues = stage in ("autoencoder", "train")
    return {
        "gpu": asked["gpu"] if most_gpus is None else min(asked["gpu"], most_gpus),
        "mem_mb": growing(asked["mem_mb"]),
        "runtime": asked["runtime"] if continues else growing(asked["runtime"]),
    }


def growing(amount):
    """A resource of which each further attempt gets `amount` more."""
    return lambda wildcards, attempt: amount * attempt


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
        return threads_of(stage) if workflow.remote_exec else workflow.cores
    except WorkflowError:  # no --cores: each job has what the scheduler gives it
        return threads_of(stage)


def note_start():
    """Leave in the run's folder how it was started; `ldae status` and the results page read it.

    The file stays locked while this process lives, and the kernel frees it however that ends.
    """
    if not workflow.is_main_process:
        return
    try:
        cores = workflow.cores
    except WorkflowError:
        cores = None
    start = {
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "host": socket.gethostname(),
        "directory": os.getcwd(),
        "snakefile": os.path.abspath(workflow.main_snakefile),
        "targets": sorted(map(str, workflow.dag_settings.targets)),
        "max_checksum_file_size": workflow.dag_settings.max_checksum_file_size,
        "cores": cores,
        "gpus": getattr(workflow.global_resources.get("gpu"), "value", None),
        "configuration": config,
    }
    os.makedirs(RUN, exist_ok=True)
    with open(f"{RUN}/.run.json", "w") as file:
        json.dump(start, file, indent=2)
    os.replace(f"{RUN}/.run.json", f"{RUN}/run.json")
    STARTED.append(open(f"{RUN}/run.json", "r+"))
    try:
        fcntl.flock(STARTED[0], fcntl.LOCK_EX)
    except OSError:  # a file system without locks
        pass


if workflow.is_main_process:  # a cluster's jobs are sure of it
    check(config)
os.environ.update(LDAE_FEWER_GPUS=config["resources"]["fewer_gpus"])  # for jobs
RUN = f"results/{config['run']}"
STARTED = []  # the open `run.json`
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
