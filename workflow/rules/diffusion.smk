rule train_ldm:
    """5.1 Train the latent diffusion model."""
    input:
        scans=f"{RUN}/cohort/scans.parquet",
        index=f"{RUN}/latents/index.parquet",
        scale=f"{RUN}/latents/scale.json",
    output:
        **model_files("ldm"),
    log:
        f"{RUN}/logs/train_ldm.log",
    benchmark:
        f"{RUN}/benchmarks/train_ldm.tsv"
    priority: 1  # most other jobs wait for it
    conda:
        ENVIRONMENT
    threads: threads_of("train")
    resources:
        **resources("train"),
    params:
        latents=subpath(input.index, parent=True),
        model=subpath(output.weights, parent=True),
        state=f"{RUN}/state/ldm",
        settings=section("seed", "latents", "diffusion", "ldm"),
    message:
        "Training the latent diffusion model"
    shell:
        "ldae train-ldm --scans {input.scans} --latents {params.latents}"
        " --model {params.model} --state {params.state} --devices {resources.gpu}"
        " --threads {threads}"
        " --settings {params.settings:q} > {log} 2>&1"
