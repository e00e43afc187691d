rule sample_scans:
    """15.1 Generate scans from noise, without or with codes."""
    input:
        **MODELS,
        scans=f"{RUN}/cohort/scans.parquet",
        embeddings=f"{RUN}/embeddings/ldae.parquet",
    output:
        index=f"{RUN}/samples/{{model}}/index.parquet",
        latents=f"{RUN}/samples/{{model}}/latents.npy",
    log:
        f"{RUN}/logs/sample/{{model}}.log",
    benchmark:
        f"{RUN}/benchmarks/sample/{{model}}.tsv"
    wildcard_constraints:
        model="|".join(GENERATORS),
    conda:
        ENVIRONMENT
    threads: threads_of("evaluate")
    resources:
        **resources("evaluate"),
        scans_per_batch=config["resources"]["scans_per_batch"],
    params:
        derivatives=DERIVATIVES,
        models=subpath(input.ldae, ancestor=2),
        samples=subpath(output.index, parent=True),
        settings=section("seed", "sampling", "generation"),
    message:
        "Sampling scans from noise with {wildcards.model}"
    shell:
        "ldae sample-scans --scans {input.scans} --derivatives {params.derivatives}"
        " --models {params.models} --embeddings {input.embeddings} --model {wildcards.model}"
        " --samples {params.samples} --devices {resources.gpu} --threads {threads}"
        " --batch-size {resources.scans_per_batch}"
        " --settings {params.settings:q} > {log} 2>&1"


rule evaluate_generation:
    """15.2 Compare generated scans with real ones."""
    input:
        **MODELS,
        scans=f"{RUN}/cohort/scans.parquet",
        samples=expand(f"{RUN}/samples/{{model}}/index.parquet", model=GENERATORS),
        latents=expand(f"{RUN}/samples/{{model}}/latents.npy", model=GENERATORS),
        public=PUBLIC_WEIGHTS,
    output:
        table=shown(f"{RUN}/tables/generation.csv", "Generation"),
        figure=shown(f"{RUN}/figures/generation.png", "Generation"),
    log:
        f"{RUN}/logs/evaluate_generation.log",
    benchmark:
        f"{RUN}/benchmarks/evaluate_generation.tsv"
    conda:
        ENVIRONMENT
    threads: threads_of("evaluate")
    resources:
        **resources("evaluate"),
        scans_per_batch=config["resources"]["scans_per_batch"],
    params:
        derivatives=DERIVATIVES,
        models=subpath(input.ldae, ancestor=2),
        samples=lambda wildcards, input: [
            os.path.dirname(path) for path in input.samples
        ],
        public=published("resnet"),
        settings=section("seed", "pretrained", "generation", "bootstrap"),
    message:
        "Comparing samples with scans"
    shell:
        "ldae evaluate-generation --scans {input.scans} --derivatives {params.derivatives}"
        " --models {params.models} --samples {params.samples} --table {output.table}"
        " --figure {output.figure} --devices {resources.gpu} --threads {threads}"
        " --batch-size {resources.scans_per_batch}"
        " --settings {params.settings:q} > {log} 2>&1"


# All cores, so that no other job disturbs the clock.
rule measure_throughput:
    """16.1 Measure volumes per second, alone on the machine."""
    input:
        **MODELS,
        baselines=[f"{RUN}/models/{name}/weights.safetensors" for name in TIMED[1:]],
        scans=f"{RUN}/cohort/scans.parquet",
    output:
        shown(f"{RUN}/tables/throughput.csv", "Speed"),
    log:
        f"{RUN}/logs/measure_throughput.log",
    benchmark:
        f"{RUN}/benchmarks/measure_throughput.tsv"
    conda:
        ENVIRONMENT
    threads: every_core("evaluate")
    resources:
        **resources("evaluate"),
    params:
        derivatives=DERIVATIVES,
        models=subpath(input.ldae, ancestor=2),
        names=TIMED,
        steps=config["reconstruction"]["steps"],
        settings=section("throughput"),
    message:
        "Measuring volumes per second, alone on this machine"
    shell:
        "ldae measure-throughput --scans {input.scans} --derivatives {params.derivatives}"
        " --models {params.models} --names {params.names} --steps {params.steps}"
        " --table {output} --devices {resources.gpu} --threads {threads}"
        " --settings {params.settings:q} > {log} 2>&1"


# Asked for by name, or by `pretrained: resources/weights`; run where there is a network. The files
# are not declared: Snakemake would delete those of a download that failed, and they go on instead.
rule fetch_weights:
    """3.1 Download weights of LPIPS, ImageNet and MedicalNet, checked."""
    output:
        f"{WEIGHTS}/checksums.json",
    log:
        f"{WEIGHTS}/fetch.log",
    benchmark:
        f"{WEIGHTS}/benchmark.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        **resources("preprocess"),
    params:
        folder=subpath(output[0], parent=True),
    message:
        "Downloading weights that others have published"
    shell:
        "ldae fetch-weights --folder {params.folder} > {log} 2>&1"
