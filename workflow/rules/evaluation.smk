rule evaluate_probes:
    input:
        scans=f"{RUN}/cohort/scans.parquet",
        embeddings=EMBEDDINGS,
    output:
        table=f"{RUN}/tables/downstream.csv",
        predictions=f"{RUN}/tables/predictions.parquet",
        probes=f"{RUN}/tables/probes.json",
    log:
        f"{RUN}/logs/evaluate_probes.log",
    benchmark:
        f"{RUN}/benchmarks/evaluate_probes.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        **resources("preprocess"),
    params:
        settings=section("seed", "probe", "bootstrap"),
    message:
        "Probing the embeddings for diagnosis and age"
    shell:
        "ldae evaluate-probes --scans {input.scans} --embeddings {input.embeddings}"
        " --table {output.table} --predictions {output.predictions} --probes {output.probes}"
        " --settings {params.settings:q} > {log} 2>&1"


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


rule evaluate_representation:
    input:
        **MODELS,
        scans=f"{RUN}/cohort/scans.parquet",
        embeddings=EMBEDDINGS,
        per_scan=f"{RUN}/tables/reconstruction.parquet",
    output:
        f"{RUN}/tables/representation.csv",
    log:
        f"{RUN}/logs/evaluate_representation.log",
    benchmark:
        f"{RUN}/benchmarks/evaluate_representation.tsv"
    conda:
        ENVIRONMENT
    threads: threads_of("evaluate")
    resources:
        **resources("evaluate"),
    params:
        derivatives=DERIVATIVES,
        models=subpath(input.ldae, ancestor=2),
        settings=section("seed", "ldae", "sampling", "bootstrap"),
    message:
        "Measuring whether the semantic code is alive"
    shell:
        "ldae evaluate-representation --scans {input.scans} --derivatives {params.derivatives}"
        " --models {params.models} --embeddings {input.embeddings}"
        " --per-scan {input.per_scan} --table {output} --threads {threads}"
        " --settings {params.settings:q} > {log} 2>&1"


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
