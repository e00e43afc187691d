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
