# A job per model and number of steps, so that one edited number inverts again for that number only.
rule invert_scans:
    input:
        weights=inverting_weights,
        scans=f"{RUN}/cohort/scans.parquet",
    output:
        f"{RUN}/inversions/{{model}}/T{{steps}}/index.parquet",
    log:
        f"{RUN}/logs/invert/{{model}}_T{{steps}}.log",
    benchmark:
        f"{RUN}/benchmarks/invert/{{model}}_T{{steps}}.tsv"
    wildcard_constraints:
        model="ldae|lddim|dae",
        steps=r"\d+",
    priority: 1  # the longest evaluations wait for it
    conda:
        ENVIRONMENT
    threads: threads_of("evaluate")
    resources:
        **resources("evaluate"),
        scans_per_batch=config["resources"]["scans_per_batch"],
    params:
        derivatives=DERIVATIVES,
        models=f"{RUN}/models",
        settings=lambda wildcards: section(
            sampling="dae_sampling" if wildcards.model == "dae" else "sampling"
        ),
    message:
        "Inverting test scans with {wildcards.model}, {wildcards.steps} steps"
    shell:
        "ldae invert-scans --scans {input.scans} --derivatives {params.derivatives}"
        " --models {params.models} --model {wildcards.model} --steps {wildcards.steps}"
        " --index {output} --devices {resources.gpu} --threads {threads}"
        " --batch-size {resources.scans_per_batch}"
        " --settings {params.settings:q} > {log} 2>&1"


rule evaluate_reconstruction:
    input:
        **MODELS,
        dae=weights_of("dae"),
        scans=f"{RUN}/cohort/scans.parquet",
        public=PUBLIC_WEIGHTS,
        inversions=reconstructed_inversions(),
    output:
        per_scan=f"{RUN}/tables/reconstruction.parquet",
        table=f"{RUN}/tables/reconstruction.csv",
        figure=f"{RUN}/figures/reconstruction.png",
    log:
        f"{RUN}/logs/evaluate_reconstruction.log",
    benchmark:
        f"{RUN}/benchmarks/evaluate_reconstruction.tsv"
    priority: 1  # the longest evaluation by far
    conda:
        ENVIRONMENT
    threads: threads_of("evaluate")
    resources:
        **resources("evaluate"),
        scans_per_batch=config["resources"]["scans_per_batch"],
    params:
        derivatives=DERIVATIVES,
        models=subpath(input.ldae, ancestor=2),
        public=published("squeezenet"),
        settings=section(
            *("seed", "pretrained", "sampling", "dae_sampling"),
            *("metrics", "reconstruction", "bootstrap"),
        ),
    message:
        "Scoring reconstructions"
    shell:
        "ldae evaluate-reconstruction --scans {input.scans} --derivatives {params.derivatives}"
        " --models {params.models} --inversions {input.inversions}"
        " --per-scan {output.per_scan} --table {output.table}"
        " --figure {output.figure} --threads {threads}"
        " --batch-size {resources.scans_per_batch}"
        " --settings {params.settings:q} > {log} 2>&1"


rule compare_models:
    input:
        reconstruction=f"{RUN}/tables/reconstruction.csv",
        inversions=reconstructed_inversions(),
        embeddings=[
            f"{RUN}/embeddings/{model}.parquet"
            for model in ("ldae", "dae")
            if model in ENCODERS
        ],
    output:
        f"{RUN}/tables/models.csv",
    log:
        f"{RUN}/logs/compare_models.log",
    benchmark:
        f"{RUN}/benchmarks/compare_models.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        **resources("preprocess"),
    message:
        "Putting the models side by side"
    shell:
        "ldae compare-models --reconstruction {input.reconstruction}"
        " --inversions {input.inversions} --embeddings {input.embeddings}"
        " --table {output} > {log} 2>&1"
