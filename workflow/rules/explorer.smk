rule write_explorer:
    """17.4 Write the page in which single scans are explored."""
    input:
        **MODELS,
        scans=f"{RUN}/cohort/scans.parquet",
        excluded=f"{RUN}/cohort/excluded.tsv",
        embeddings=f"{RUN}/embeddings/ldae.parquet",
        moved=inversion("ldae", config["manipulation"]["steps"]),
        interpolated=inversion("ldae", config["interpolation"]["steps"]),
    output:
        f"{RUN}/report/explorer.html",
    log:
        f"{RUN}/logs/write_explorer.log",
    benchmark:
        f"{RUN}/benchmarks/write_explorer.tsv"
    conda:
        ENVIRONMENT
    threads: threads_of("evaluate")
    resources:
        **resources("evaluate"),
        scans_per_batch=config["resources"]["scans_per_batch"],
    params:
        derivatives=DERIVATIVES,
        models=subpath(input.ldae, ancestor=2),
        inversions=subpath(input.moved, ancestor=3),
        settings=section(
            "run",
            "seed",
            "cohort",
            "quality",
            "sampling",
            "interpolation",
            "manipulation",
            "variation",
            "explorer",
        ),
    message:
        "Writing the explorer of single scans"
    shell:
        "ldae write-explorer --scans {input.scans} --excluded {input.excluded}"
        " --derivatives {params.derivatives} --models {params.models}"
        " --embeddings {input.embeddings} --inversions {params.inversions} --explorer {output}"
        " --devices {resources.gpu} --threads {threads} --batch-size {resources.scans_per_batch}"
        " --settings {params.settings:q} > {log} 2>&1"
