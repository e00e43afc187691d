# A job per model and number of steps, here and below: one edited number is inverted and scored alone.
rule invert_scans:
    """10.1 Store every test scan's z_T for one model and number of steps."""
    input:
        weights=lambda wildcards: weights_behind(wildcards.model),
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


rule reconstruct_scans:
    """10.2 Reconstruct test scans in one way, with one number of steps, and score each."""
    input:
        weights=lambda wildcards: weights_behind(wildcards.part),
        scans=f"{RUN}/cohort/scans.parquet",
        public=PUBLIC_WEIGHTS,
        inversion=inverted_for,
    output:
        scores=f"{RUN}/reconstructions/{{part}}/T{{steps}}/scores.parquet",
        not_computed=f"{RUN}/reconstructions/{{part}}/T{{steps}}/not_computed.txt",
        example=f"{RUN}/reconstructions/{{part}}/T{{steps}}/example.npz",
    log:
        f"{RUN}/logs/reconstruct/{{part}}_T{{steps}}.log",
    benchmark:
        f"{RUN}/benchmarks/reconstruct/{{part}}_T{{steps}}.tsv"
    wildcard_constraints:
        part="ldae|lddim|dae|controls",
        steps=r"\d+",
    priority: 1  # the longest evaluations by far
    conda:
        ENVIRONMENT
    threads: threads_of("evaluate")
    resources:
        **resources("evaluate"),
        scans_per_batch=config["resources"]["scans_per_batch"],
    params:
        derivatives=DERIVATIVES,
        models=f"{RUN}/models",
        inversions=f"{RUN}/inversions",
        folder=subpath(output.scores, parent=True),
        public=published("squeezenet"),
        settings=lambda wildcards: section(
            *("seed", "pretrained", "metrics"),
            sampling="dae_sampling" if wildcards.part == "dae" else "sampling",
        ),
    message:
        "Reconstructing test scans: {wildcards.part}, {wildcards.steps} steps"
    shell:
        "ldae reconstruct-scans --scans {input.scans} --derivatives {params.derivatives}"
        " --models {params.models} --inversions {params.inversions}"
        " --part {wildcards.part} --steps {wildcards.steps} --folder {params.folder}"
        " --devices {resources.gpu} --threads {threads} --batch-size {resources.scans_per_batch}"
        " --settings {params.settings:q} > {log} 2>&1"


rule evaluate_reconstruction:
    """10.3 Gather the scores of reconstructions, by start and number of steps."""
    input:
        scores=reconstructed("scores.parquet", [*INVERTED, CONTROLS]),
        not_computed=reconstructed("not_computed.txt", [*INVERTED, CONTROLS]),
        examples=reconstructed("example.npz", [("ldae", CONTROLS[1]), CONTROLS]),
    output:
        per_scan=f"{RUN}/tables/reconstruction.parquet",
        table=shown(f"{RUN}/tables/reconstruction.csv", "Reconstruction"),
        figure=shown(f"{RUN}/figures/reconstruction.png", "Reconstruction"),
    log:
        f"{RUN}/logs/evaluate_reconstruction.log",
    benchmark:
        f"{RUN}/benchmarks/evaluate_reconstruction.tsv"
    priority: 1  # the representation's evaluation waits for it
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        **resources("preprocess"),
    params:
        parts=lambda wildcards, input: [os.path.dirname(path) for path in input.scores],
        settings=section("seed", "bootstrap"),
    message:
        "Gathering the scores of reconstructions"
    shell:
        "ldae evaluate-reconstruction --parts {params.parts} --examples {input.examples}"
        " --per-scan {output.per_scan} --table {output.table} --figure {output.figure}"
        " --settings {params.settings:q} > {log} 2>&1"


rule compare_models:
    """10.4 Put the models' reconstructions and latent sizes side by side."""
    input:
        reconstruction=f"{RUN}/tables/reconstruction.csv",
        inversions=[inversion(model, T) for model, T in INVERTED],
        embeddings=[
            f"{RUN}/embeddings/{model}.parquet"
            for model in ("ldae", "dae")
            if model in ENCODERS
        ],
    output:
        shown(f"{RUN}/tables/models.csv", "Reconstruction"),
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
