rule train_ldae:
    """6.1 Train semantic encoder and gradient estimator, over the frozen diffusion model."""
    input:
        scans=f"{RUN}/cohort/scans.parquet",
        public=PUBLIC_WEIGHTS,
        index=f"{RUN}/latents/index.parquet",
        ldm=f"{RUN}/models/ldm/weights.safetensors",
    output:
        **model_files("{model}"),
    log:
        f"{RUN}/logs/train_{{model}}.log",
    benchmark:
        f"{RUN}/benchmarks/train_{{model}}.tsv"
    wildcard_constraints:
        model="ldae",
    priority: 1  # most other jobs wait for it
    conda:
        ENVIRONMENT
    threads: threads_of("train")
    resources:
        **resources("train"),
    params:
        derivatives=DERIVATIVES,
        latents=subpath(input.index, parent=True),
        ldm=subpath(input.ldm, parent=True),
        model=subpath(output.weights, parent=True),
        state=f"{RUN}/state/{{model}}",
        public=published("convnext"),
        settings=lambda wildcards: section(
            "seed", "pretrained", "latents", ldae=wildcards.model.replace("-", "_")
        ),
    message:
        "Training semantic encoder and gradient estimator of {wildcards.model}"
    shell:
        "ldae train-ldae --scans {input.scans} --derivatives {params.derivatives}"
        " --latents {params.latents} --ldm {params.ldm}"
        " --model {params.model} --state {params.state} --devices {resources.gpu}"
        " --threads {threads}"
        " --settings {params.settings:q} > {log} 2>&1"


use rule train_ldae as train_ldae_volume with:
    """7.4 Train the same with an encoder of whole volumes."""
    wildcard_constraints:
        model="ldae-volume",
    priority: 0


rule embed_scans:
    """8.1 Store every scan's code by one encoder."""
    input:
        encoding_weights,
        scans=f"{RUN}/cohort/scans.parquet",
    output:
        f"{RUN}/embeddings/{{encoder}}.parquet",
    log:
        f"{RUN}/logs/embed/{{encoder}}.log",
    benchmark:
        f"{RUN}/benchmarks/embed/{{encoder}}.tsv"
    wildcard_constraints:
        encoder="ldae|ldae-volume|dae|random-init",
    conda:
        ENVIRONMENT
    threads: threads_of("evaluate")
    resources:
        **resources("evaluate"),
        scans_per_batch=config["resources"]["scans_per_batch"],
    params:
        derivatives=DERIVATIVES,
        models=f"{RUN}/models",
        settings=section("seed"),
    message:
        "Embedding every scan with {wildcards.encoder}"
    shell:
        "ldae embed-scans --scans {input.scans} --derivatives {params.derivatives}"
        " --models {params.models} --encoder {wildcards.encoder} --embeddings {output}"
        " --devices {resources.gpu} --threads {threads} --batch-size {resources.scans_per_batch}"
        " --settings {params.settings:q} > {log} 2>&1"
