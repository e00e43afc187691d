# What the rules share: the checked configuration, its slices, and the paths that depend on it.
import hashlib
import json
import os
import shutil
import subprocess
import sys

from jsonschema import Draft202012Validator


def check(values):
    """Stop with one readable line when the configuration cannot be run."""
    with open(workflow.source_path("../schemas/config.schema.json")) as file:
        schema = json.load(file)
    faults = sorted(
        Draft202012Validator(schema).iter_errors(values), key=lambda e: e.json_path
    )
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
                combined.stderr.strip().rpartition("--settings: ")[2]
            )
        )


def section(*names):
    """The named parts of the configuration as the JSON a stage parses; nothing else reruns it."""
    return json.dumps({name: config[name] for name in names}, sort_keys=True)


def download(wildcards):
    """Where the raw images are: the user's download, or the one the workflow makes."""
    if config["cohort"]["source"] == "synthetic":
        return f"{RUN}/download"
    if config["cohort"]["download"] is None:
        sys.exit(
            "Configuration: cohort.download is not set: give the folder of your ADNI download, e.g. "
            "`snakemake --config 'cohort={download: /data/ADNI}'`. How to get the data: README.md, "
            "'Getting ADNI'. Without ADNI, run `make demo`."
        )
    folder = os.path.expanduser(config["cohort"]["download"])
    if not os.path.isdir(folder):
        sys.exit(f"Configuration: cohort.download: there is no folder {folder}")
    return folder


def download_contents(wildcards):
    """A hash that changes when a subject, session, series or table is added to the user's download.

    Snakemake looks at the time stamp of the top folder only. Folders are compared by name down to
    the level of sessions, tables by content; the millions of image files are not touched.
    """
    if config["cohort"]["source"] == "synthetic":
        return None  # made by a rule, which Snakemake watches
    digest, top = hashlib.sha256(), download(wildcards)
    for folder, folders, files in os.walk(top, followlinks=True):
        folders.sort()
        digest.update(os.path.relpath(folder, top).encode())
        for name in sorted(name for name in files if name.lower().endswith(".csv")):
            with open(os.path.join(folder, name), "rb") as table:
                digest.update(name.encode())
                digest.update(hashlib.file_digest(table, "sha256").digest())
        if os.path.relpath(folder, top).count(os.sep) == 3:
            folders.clear()
    return digest.hexdigest()


def preprocessed_buckets(wildcards):
    """One table per bucket of scans; which buckets there are is known after ingestion."""
    folder = checkpoints.ingest_download.get().output.buckets
    buckets = sorted(glob_wildcards(f"{folder}/{{bucket}}.tsv").bucket)
    return expand(f"{RUN}/cohort/preprocessed/{{bucket}}.parquet", bucket=buckets)


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


check(config)
RUN = f"results/{config['run']}"
DERIVATIVES = f"{RUN}/derivatives/ldae"
MODELS = {
    name: f"{RUN}/models/{name}/weights.safetensors"
    for name in ("autoencoder", "ldm", "ldae")
}
ENCODERS = ["ldae", "random-init"]
EMBEDDINGS = expand(f"{RUN}/embeddings/{{encoder}}.parquet", encoder=ENCODERS)
DRAWINGS = ["interpolation", "manipulation", "variation"]
TABLES = ["paper", "reconstruction", "downstream", "representation", *DRAWINGS]
FIGURES = ["reconstruction", *DRAWINGS]
ENVIRONMENT = workflow.source_path("../../envs/ldae.yaml")
