rule make_cohort:
    output:
        download=directory(f"{RUN}/download"),
        truth=f"{RUN}/download_truth.csv",
    log:
        f"{RUN}/logs/make_cohort.log",
    benchmark:
        f"{RUN}/benchmarks/make_cohort.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        **resources("cohort"),
    params:
        settings=section("seed", "synthetic"),
    message:
        "Writing the synthetic download"
    shell:
        "ldae make-cohort --download {output.download} --truth {output.truth}"
        " --settings {params.settings:q} > {log} 2>&1"


checkpoint ingest_download:
    input:
        download=download,
    output:
        bids=directory(f"{RUN}/bids"),
        images=f"{RUN}/cohort/images.tsv",
        ingested=f"{RUN}/cohort/ingested.parquet",
        buckets=directory(f"{RUN}/cohort/buckets"),
    log:
        f"{RUN}/logs/ingest.log",
    benchmark:
        f"{RUN}/benchmarks/ingest.tsv"
    conda:
        ENVIRONMENT
    threads: threads_of("cohort")
    resources:
        **resources("cohort"),
        scans_per_job=config["resources"]["scans_per_job"],
    params:
        contents=download_contents,
        settings=section("cohort", "selection"),
    message:
        "Converting the download to BIDS"
    shell:
        "ldae ingest --download {input.download:q} --bids {output.bids} --images {output.images}"
        " --ingested {output.ingested} --buckets {output.buckets}"
        " --scans-per-job {resources.scans_per_job} --workers {threads}"
        " --settings {params.settings:q} > {log} 2>&1"
