rule draw_interpolation:
    input:
        **MODELS,
        scans=f"{RUN}/cohort/scans.parquet",
    output:
        figure=f"{RUN}/figures/interpolation.png",
        table=f"{RUN}/tables/interpolation.csv",
    log:
        f"{RUN}/logs/draw_interpolation.log",
    benchmark:
        f"{RUN}/benchmarks/draw_interpolation.tsv"
    conda:
        ENVIRONMENT
    threads: threads_of("evaluate")
    resources:
        **resources("evaluate"),
    params:
        derivatives=DERIVATIVES,
        models=subpath(input.ldae, ancestor=2),
        settings=section("sampling", "metrics", "interpolation"),
    message:
        "Interpolating between sessions"
    shell:
        "ldae draw-interpolation --scans {input.scans} --derivatives {params.derivatives}"
        " --models {params.models} --figure {output.figure} --table {output.table}"
        " --threads {threads} --settings {params.settings:q} > {log} 2>&1"


rule draw_manipulation:
    input:
        **MODELS,
        scans=f"{RUN}/cohort/scans.parquet",
        embeddings=f"{RUN}/embeddings/ldae.parquet",
    output:
        figure=f"{RUN}/figures/manipulation.png",
        table=f"{RUN}/tables/manipulation.csv",
    log:
        f"{RUN}/logs/draw_manipulation.log",
    benchmark:
        f"{RUN}/benchmarks/draw_manipulation.tsv"
    conda:
        ENVIRONMENT
    threads: threads_of("evaluate")
    resources:
        **resources("evaluate"),
    params:
        derivatives=DERIVATIVES,
        models=subpath(input.ldae, ancestor=2),
        settings=section("sampling", "manipulation"),
    message:
        "Moving scans along a direction of the semantic code"
    shell:
        "ldae draw-manipulation --scans {input.scans} --derivatives {params.derivatives}"
        " --models {params.models} --embeddings {input.embeddings}"
        " --figure {output.figure} --table {output.table}"
        " --threads {threads} --settings {params.settings:q} > {log} 2>&1"


rule draw_variation:
    input:
        **MODELS,
        scans=f"{RUN}/cohort/scans.parquet",
    output:
        figure=f"{RUN}/figures/variation.png",
        table=f"{RUN}/tables/variation.csv",
    log:
        f"{RUN}/logs/draw_variation.log",
    benchmark:
        f"{RUN}/benchmarks/draw_variation.tsv"
    conda:
        ENVIRONMENT
    threads: threads_of("evaluate")
    resources:
        **resources("evaluate"),
    params:
        derivatives=DERIVATIVES,
        models=subpath(input.ldae, ancestor=2),
        settings=section("seed", "sampling", "metrics", "variation"),
    message:
        "Varying scans at a fixed semantic code"
    shell:
        "ldae draw-variation --scans {input.scans} --derivatives {params.derivatives}"
        " --models {params.models} --figure {output.figure} --table {output.table}"
        " --threads {threads} --settings {params.settings:q} > {log} 2>&1"
