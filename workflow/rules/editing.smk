rule evaluate_interpolation:
    """12.1 Score sessions interpolated between two real ones."""
    input:
        **MODELS,
        scans=f"{RUN}/cohort/scans.parquet",
        embeddings=f"{RUN}/embeddings/ldae.parquet",
        inversions=inversion("ldae", config["interpolation"]["steps"]),
    output:
        per_triplet=f"{RUN}/tables/interpolation.parquet",
        table=shown(f"{RUN}/tables/interpolation.csv", "Editing"),
        figure=shown(f"{RUN}/figures/interpolation.png", "Editing"),
    log:
        f"{RUN}/logs/evaluate_interpolation.log",
    benchmark:
        f"{RUN}/benchmarks/evaluate_interpolation.tsv"
    conda:
        ENVIRONMENT
    threads: threads_of("evaluate")
    resources:
        **resources("evaluate"),
        scans_per_batch=config["resources"]["scans_per_batch"],
    params:
        derivatives=DERIVATIVES,
        models=subpath(input.ldae, ancestor=2),
        settings=section("seed", "sampling", "interpolation", "metrics", "bootstrap"),
    message:
        "Interpolating between sessions"
    shell:
        "ldae evaluate-interpolation --scans {input.scans} --derivatives {params.derivatives}"
        " --models {params.models} --embeddings {input.embeddings}"
        " --inversions {input.inversions} --per-triplet {output.per_triplet}"
        " --table {output.table} --figure {output.figure}"
        " --devices {resources.gpu} --threads {threads} --batch-size {resources.scans_per_batch}"
        " --settings {params.settings:q} > {log} 2>&1"


rule evaluate_manipulation:
    """13.1 Move scans along directions of the code, and audit them."""
    input:
        **MODELS,
        scans=f"{RUN}/cohort/scans.parquet",
        embeddings=f"{RUN}/embeddings/ldae.parquet",
        inversions=inversion("ldae", config["manipulation"]["steps"]),
    output:
        per_scan=f"{RUN}/tables/manipulation.parquet",
        table=shown(f"{RUN}/tables/manipulation.csv", "Editing"),
        audits=shown(f"{RUN}/tables/manipulation_audits.csv", "Editing"),
        figure=shown(f"{RUN}/figures/manipulation.png", "Editing"),
    log:
        f"{RUN}/logs/evaluate_manipulation.log",
    benchmark:
        f"{RUN}/benchmarks/evaluate_manipulation.tsv"
    conda:
        ENVIRONMENT
    threads: threads_of("evaluate")
    resources:
        **resources("evaluate"),
        scans_per_batch=config["resources"]["scans_per_batch"],
    params:
        derivatives=DERIVATIVES,
        models=subpath(input.ldae, ancestor=2),
        settings=section("seed", "sampling", "manipulation", "metrics", "bootstrap"),
    message:
        "Moving scans along directions of the semantic code"
    shell:
        "ldae evaluate-manipulation --scans {input.scans} --derivatives {params.derivatives}"
        " --models {params.models} --embeddings {input.embeddings}"
        " --inversions {input.inversions} --per-scan {output.per_scan}"
        " --table {output.table} --audits {output.audits} --figure {output.figure}"
        " --devices {resources.gpu} --threads {threads} --batch-size {resources.scans_per_batch}"
        " --settings {params.settings:q} > {log} 2>&1"


rule evaluate_variation:
    """14.1 Measure what varies among samples of one code."""
    input:
        **MODELS,
        scans=f"{RUN}/cohort/scans.parquet",
        embeddings=f"{RUN}/embeddings/ldae.parquet",
    output:
        per_sample=f"{RUN}/tables/variation.parquet",
        table=shown(f"{RUN}/tables/variation.csv", "Editing"),
        figure=shown(f"{RUN}/figures/variation.png", "Editing"),
    log:
        f"{RUN}/logs/evaluate_variation.log",
    benchmark:
        f"{RUN}/benchmarks/evaluate_variation.tsv"
    conda:
        ENVIRONMENT
    threads: threads_of("evaluate")
    resources:
        **resources("evaluate"),
        scans_per_batch=config["resources"]["scans_per_batch"],
    params:
        derivatives=DERIVATIVES,
        models=subpath(input.ldae, ancestor=2),
        settings=section("seed", "sampling", "variation", "metrics", "bootstrap"),
    message:
        "Varying scans at a fixed semantic code"
    shell:
        "ldae evaluate-variation --scans {input.scans} --derivatives {params.derivatives}"
        " --models {params.models} --embeddings {input.embeddings}"
        " --per-sample {output.per_sample} --table {output.table} --figure {output.figure}"
        " --devices {resources.gpu} --threads {threads} --batch-size {resources.scans_per_batch}"
        " --settings {params.settings:q} > {log} 2>&1"
