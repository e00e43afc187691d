rule preprocess_scans:
    input:
        bucket=f"{RUN}/cohort/buckets/{{bucket}}.tsv",
    output:
        table=f"{RUN}/cohort/preprocessed/{{bucket}}.parquet",
    log:
        f"{RUN}/logs/preprocess/{{bucket}}.log",
    benchmark:
        f"{RUN}/benchmarks/preprocess/{{bucket}}.tsv"
    conda:
        ENVIRONMENT
    threads: threads_of("preprocess")
    resources:
        **resources("preprocess"),
    params:
        bids=f"{RUN}/bids",
        derivatives=DERIVATIVES,
        settings=section("preprocessing"),
    message:
        "Preprocessing bucket {wildcards.bucket}"
    shell:
        "ldae preprocess-scans --bucket {input.bucket} --bids {params.bids}"
        " --derivatives {params.derivatives} --table {output.table} --threads {threads}"
        " --settings {params.settings:q} > {log} 2>&1"


rule gather_scans:
    input:
        ingested=f"{RUN}/cohort/ingested.parquet",
        preprocessed=preprocessed_buckets,
    output:
        scans=f"{RUN}/cohort/scans.parquet",
        excluded=f"{RUN}/cohort/excluded.tsv",
    log:
        f"{RUN}/logs/gather_scans.log",
    benchmark:
        f"{RUN}/benchmarks/gather_scans.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        **resources("preprocess"),
    params:
        settings=section("seed", "quality", "split"),
    message:
        "Gathering the scans that passed, and splitting subjects"
    shell:
        "ldae gather-scans --ingested {input.ingested} --preprocessed {input.preprocessed}"
        " --scans {output.scans} --excluded {output.excluded}"
        " --settings {params.settings:q} > {log} 2>&1"
