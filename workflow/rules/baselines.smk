rule train_dae:
    """7.1 Train the diffusion autoencoder on voxels."""
    input:
        scans=f"{RUN}/cohort/scans.parquet",
        public=PUBLIC_WEIGHTS,
    output:
        **model_files("dae"),
    log:
        f"{RUN}/logs/train_dae.log",
    benchmark:
        f"{RUN}/benchmarks/train_dae.tsv"
    conda:
        ENVIRONMENT
    threads: threads_of("train")
    resources:
        **resources("train"),
    params:
        derivatives=DERIVATIVES,
        model=subpath(output.weights, parent=True),
        state=f"{RUN}/state/dae",
        public=published("convnext"),
        settings=section("seed", "pretrained", "diffusion", "dae"),
    message:
        "Training the diffusion autoencoder on voxels"
    shell:
        "ldae train-dae --scans {input.scans} --derivatives {params.derivatives}"
        " --model {params.model} --state {params.state} --devices {resources.gpu}"
        " --threads {threads}"
        " --settings {params.settings:q} > {log} 2>&1"


rule train_supervised:
    """7.2 Train the semantic encoder for diagnosis or age."""
    input:
        scans=f"{RUN}/cohort/scans.parquet",
        public=PUBLIC_WEIGHTS,
    output:
        **model_files("supervised-{task}"),
    log:
        f"{RUN}/logs/train_supervised-{{task}}.log",
    benchmark:
        f"{RUN}/benchmarks/train_supervised-{{task}}.tsv"
    wildcard_constraints:
        task="diagnosis|age",
    conda:
        ENVIRONMENT
    threads: threads_of("train")
    resources:
        **resources("train"),
    params:
        derivatives=DERIVATIVES,
        model=subpath(output.weights, parent=True),
        state=f"{RUN}/state/supervised-{{task}}",
        public=published("convnext"),
        settings=lambda wildcards: section(
            "seed", "pretrained", f"supervised_{wildcards.task}"
        ),
    message:
        "Training the encoder for {wildcards.task}"
    shell:
        "ldae train-supervised --scans {input.scans} --derivatives {params.derivatives}"
        " --task {wildcards.task}"
        " --model {params.model} --state {params.state} --devices {resources.gpu}"
        " --threads {threads}"
        " --settings {params.settings:q} > {log} 2>&1"


rule predict_supervised:
    """7.3 Store what a supervised encoder says of every scan."""
    input:
        scans=f"{RUN}/cohort/scans.parquet",
        weights=f"{RUN}/models/supervised-{{task}}/weights.safetensors",
    output:
        f"{RUN}/predictions/supervised-{{task}}.parquet",
    log:
        f"{RUN}/logs/predict_supervised-{{task}}.log",
    benchmark:
        f"{RUN}/benchmarks/predict_supervised-{{task}}.tsv"
    conda:
        ENVIRONMENT
    threads: threads_of("evaluate")
    resources:
        **resources("evaluate"),
        scans_per_batch=config["resources"]["scans_per_batch"],
    params:
        derivatives=DERIVATIVES,
        model=subpath(input.weights, parent=True),
    message:
        "Predicting every scan's {wildcards.task}"
    shell:
        "ldae predict-supervised --scans {input.scans} --derivatives {params.derivatives}"
        " --model {params.model} --predictions {output}"
        " --devices {resources.gpu} --threads {threads} --batch-size {resources.scans_per_batch}"
        " > {log} 2>&1"
