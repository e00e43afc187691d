rule train_autoencoder:
    """3.2 Train the autoencoder."""
    input:
        scans=f"{RUN}/cohort/scans.parquet",
        public=PUBLIC_WEIGHTS,
    output:
        **model_files("autoencoder"),
    log:
        f"{RUN}/logs/train_autoencoder.log",
    benchmark:
        f"{RUN}/benchmarks/train_autoencoder.tsv"
    priority: 1  # most other jobs wait for it
    conda:
        ENVIRONMENT
    threads: threads_of("autoencoder")
    resources:
        **resources("autoencoder"),
    params:
        derivatives=DERIVATIVES,
        model=subpath(output.weights, parent=True),
        state=f"{RUN}/state/autoencoder",
        public=published("squeezenet"),
        settings=section("seed", "pretrained", "autoencoder"),
    message:
        "Training the autoencoder"
    shell:
        "ldae train-autoencoder --scans {input.scans} --derivatives {params.derivatives}"
        " --model {params.model} --state {params.state} --devices {resources.gpu}"
        " --threads {threads}"
        " --settings {params.settings:q} > {log} 2>&1"


rule encode_latents:
    """4.1 Store every scan's latent posterior and the latent scale."""
    input:
        scans=f"{RUN}/cohort/scans.parquet",
        autoencoder=f"{RUN}/models/autoencoder/weights.safetensors",
    output:
        index=f"{RUN}/latents/index.parquet",
        scale=f"{RUN}/latents/scale.json",
    log:
        f"{RUN}/logs/encode_latents.log",
    benchmark:
        f"{RUN}/benchmarks/encode_latents.tsv"
    priority: 1  # most other jobs wait for it
    conda:
        ENVIRONMENT
    threads: threads_of("train")
    resources:
        **resources("train", most_gpus=1),
    params:
        derivatives=DERIVATIVES,
        autoencoder=subpath(input.autoencoder, parent=True),
        latents=subpath(output.index, parent=True),
    message:
        "Encoding every scan to its latent"
    shell:
        "ldae encode-latents --scans {input.scans} --derivatives {params.derivatives}"
        " --autoencoder {params.autoencoder} --latents {params.latents}"
        " --devices {resources.gpu} --threads {threads} > {log} 2>&1"
