rule train_ldae:
    input:
        scans=f"{RUN}/cohort/scans.parquet",
        index=f"{RUN}/latents/index.parquet",
        ldm=f"{RUN}/models/ldm/weights.safetensors",
    output:
        **model_files("ldae"),
    log:
        f"{RUN}/logs/train_ldae.log",
    benchmark:
        f"{RUN}/benchmarks/train_ldae.tsv"
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
        state=f"{RUN}/state/ldae",
        settings=section("seed", "pretrained", "latents", "ldae"),
    message:
        "Training semantic encoder and gradient estimator"
    shell:
        "ldae train-ldae --scans {input.scans} --derivatives {params.derivatives}"
        " --latents {params.latents} --ldm {params.ldm}"
        " --model {params.model} --state {params.state} --devices {resources.gpu}"
        " --threads {threads}"
        " --settings {params.settings:q} > {log} 2>&1"


rule embed_scans:
    input:
        **MODELS,
        scans=f"{RUN}/cohort/scans.parquet",
    output:
        f"{RUN}/embeddings/{{encoder}}.parquet",
    log:
        f"{RUN}/logs/embed/{{encoder}}.log",
    benchmark:
        f"{RUN}/benchmarks/embed/{{encoder}}.tsv"
    conda:
        ENVIRONMENT
    threads: threads_of("evaluate")
    resources:
        **resources("evaluate"),
    params:
        derivatives=DERIVATIVES,
        models=subpath(input.ldae, ancestor=2),
        settings=section("seed", "sampling"),
    message:
        "Embedding every scan with {wildcards.encoder}"
    shell:
        "ldae embed-scans --scans {input.scans} --derivatives {params.derivatives}"
        " --models {params.models} --encoder {wildcards.encoder} --embeddings {output}"
        " --threads {threads} --settings {params.settings:q} > {log} 2>&1"
