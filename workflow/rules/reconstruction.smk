rule evaluate_reconstruction:
    input:
        **MODELS,
        scans=f"{RUN}/cohort/scans.parquet",
    output:
        per_scan=f"{RUN}/tables/reconstruction.parquet",
        table=f"{RUN}/tables/reconstruction.csv",
        figure=f"{RUN}/figures/reconstruction.png",
    log:
        f"{RUN}/logs/evaluate_reconstruction.log",
    benchmark:
        f"{RUN}/benchmarks/evaluate_reconstruction.tsv"
    conda:
        ENVIRONMENT
    threads: threads_of("evaluate")
    resources:
        **resources("evaluate"),
    params:
        derivatives=DERIVATIVES,
        models=subpath(input.ldae, ancestor=2),
        settings=section(
            "seed", "pretrained", "sampling", "metrics", "reconstruction", "bootstrap"
        ),
    message:
        "Scoring reconstructions"
    shell:
        "ldae evaluate-reconstruction --scans {input.scans} --derivatives {params.derivatives}"
        " --models {params.models} --per-scan {output.per_scan} --table {output.table}"
        " --figure {output.figure} --threads {threads}"
        " --settings {params.settings:q} > {log} 2>&1"
