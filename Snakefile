# From a raw ADNI download to every reported result. `snakemake --list` names the targets.
from snakemake.utils import min_version

min_version("9.3")


configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"


onstart:
    note_start()


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
    """0. Everything: the results page and what it shows."""
    default_target: True
    input:
        f"{RUN}/report/index.html",
        f"{RUN}/report/explorer.html",
        f"{RUN}/provenance.json",


rule ingest:
    """1. The download as BIDS, with a table of scans."""
    input:
        f"{RUN}/cohort/ingested.parquet",


rule preprocess:
    """2. Every scan bias-corrected, brain-extracted and registered; the table models read."""
    input:
        f"{RUN}/cohort/scans.parquet",


rule autoencoder:
    """3. The autoencoder that compresses volumes."""
    input:
        f"{RUN}/models/autoencoder/weights.safetensors",


rule latents:
    """4. Every scan's latent posterior."""
    input:
        f"{RUN}/latents/index.parquet",


rule ldm:
    """5. The latent diffusion model."""
    input:
        f"{RUN}/models/ldm/weights.safetensors",


rule ldae:
    """6. Semantic encoder and gradient estimator."""
    input:
        f"{RUN}/models/ldae/weights.safetensors",


rule baselines:
    """7. The models that the LDAE is compared with."""
    input:
        [f"{RUN}/models/{name}/weights.safetensors" for name in TRAINED[len(MODELS) :]],
        PREDICTIONS,


rule embeddings:
    """8. Every scan's semantic code."""
    input:
        EMBEDDINGS,


rule probes:
    """9. Linear probes: AD vs CN, and age."""
    input:
        f"{RUN}/tables/downstream.csv",


rule reconstruction:
    """10. Reconstruction by start and number of steps, and models side by side."""
    input:
        f"{RUN}/tables/reconstruction.csv",
        f"{RUN}/tables/models.csv",


rule representation:
    """11. Whether the semantic code is alive."""
    input:
        f"{RUN}/tables/representation.csv",


rule interpolation:
    """12. Sessions interpolated between two real ones."""
    input:
        f"{RUN}/figures/interpolation.png",


rule manipulation:
    """13. Scans moved along a probe's direction."""
    input:
        f"{RUN}/figures/manipulation.png",


rule variation:
    """14. Variations of a scan at a fixed semantic code."""
    input:
        f"{RUN}/figures/variation.png",


rule generation:
    """15. Samples from noise, beside real scans."""
    input:
        f"{RUN}/tables/generation.csv",


rule throughput:
    """16. Volumes per second of latent and voxel diffusion autoencoders."""
    input:
        f"{RUN}/tables/throughput.csv",


rule report:
    """17. The results page."""
    input:
        f"{RUN}/report/index.html",
        f"{RUN}/report/explorer.html",
        f"{RUN}/provenance.json",


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
include: "workflow/rules/explorer.smk"
