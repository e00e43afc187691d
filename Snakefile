# From a raw ADNI download to every reported result. `snakemake --list` names the targets.
from snakemake.utils import min_version

min_version("9.3")


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"


localrules:
    all,
    ingest,
    preprocess,
    autoencoder,
    latents,
    ldm,
    ldae,
    baselines,
    embeddings,
    probes,
    reconstruction,
    representation,
    interpolation,
    manipulation,
    variation,
    generation,
    throughput,
    report,


rule all:
    default_target: True
    input:
        f"{RUN}/report/index.html",


rule ingest:
    """The download as BIDS, with a table of scans."""
    input:
        f"{RUN}/cohort/ingested.parquet",


rule preprocess:
    """Every scan bias-corrected, brain-extracted and registered; the table models read."""
    input:
        f"{RUN}/cohort/scans.parquet",


rule autoencoder:
    """The autoencoder that compresses volumes."""
    input:
        f"{RUN}/models/autoencoder/weights.safetensors",


rule latents:
    """Every scan's latent posterior."""
    input:
        f"{RUN}/latents/index.parquet",


rule ldm:
    """The latent diffusion model."""
    input:
        f"{RUN}/models/ldm/weights.safetensors",


rule ldae:
    """Semantic encoder and gradient estimator."""
    input:
        f"{RUN}/models/ldae/weights.safetensors",


rule baselines:
    """The models that the LDAE is compared with."""
    input:
        [f"{RUN}/models/{name}/weights.safetensors" for name in TRAINED[len(MODELS) :]],
        PREDICTIONS,


rule embeddings:
    """Every scan's semantic code."""
    input:
        EMBEDDINGS,


rule probes:
    """Linear probes: AD vs CN, and age."""
    input:
        f"{RUN}/tables/downstream.csv",


rule reconstruction:
    """Reconstruction by start and number of steps, and models side by side."""
    input:
        f"{RUN}/tables/reconstruction.csv",
        f"{RUN}/tables/models.csv",


rule representation:
    """Whether the semantic code is alive."""
    input:
        f"{RUN}/tables/representation.csv",


rule interpolation:
    """Sessions interpolated between two real ones."""
    input:
        f"{RUN}/figures/interpolation.png",


rule manipulation:
    """Scans moved along a probe's direction."""
    input:
        f"{RUN}/figures/manipulation.png",


rule variation:
    """Variations of a scan at a fixed semantic code."""
    input:
        f"{RUN}/figures/variation.png",


rule generation:
    """Samples from noise, beside real scans."""
    input:
        f"{RUN}/tables/generation.csv",


rule throughput:
    """Volumes per second of latent and voxel diffusion autoencoders."""
    input:
        f"{RUN}/tables/throughput.csv",


rule report:
    """The results page."""
    input:
        f"{RUN}/report/index.html",


include: "workflow/rules/cohort.smk"
include: "workflow/rules/preprocess.smk"
include: "workflow/rules/autoencoder.smk"
include: "workflow/rules/diffusion.smk"
include: "workflow/rules/representation.smk"
include: "workflow/rules/baselines.smk"
include: "workflow/rules/reconstruction.smk"
include: "workflow/rules/downstream.smk"
include: "workflow/rules/editing.smk"
include: "workflow/rules/generation.smk"
include: "workflow/rules/report.smk"
