rule make_cohort:
    """1.1 Write the demo's synthetic download."""
    output:
        download=directory(f"{RUN}/download"),
        truth=f"{RUN}/download_truth.csv",
        expected=f"{RUN}/download_expected.csv",
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
        " --expected {output.expected}"
        " --settings {params.settings:q} > {log} 2>&1"


checkpoint index_download:
    """1.2 Look at what the download holds, and plan which scan each session gets."""
    input:
        download=download,
    output:
        planned=f"{RUN}/cohort/planned.parquet",
        buckets=directory(f"{RUN}/cohort/buckets"),
    log:
        f"{RUN}/logs/index_download.log",
    benchmark:
        f"{RUN}/benchmarks/index_download.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        **resources("cohort"),
        scans_per_job=config["resources"]["scans_per_job"],
    params:
        contents=download_contents,
        settings=section("cohort", "selection", "matching"),
    message:
        "Looking at what the download holds, and choosing scans"
    shell:
        "ldae index-download --download {input.download:q} --planned {output.planned}"
        " --buckets {output.buckets} --scans-per-job {resources.scans_per_job}"
        " --settings {params.settings:q} > {log} 2>&1"


rule convert_images:
    """1.3 Convert the planned images of one bucket to NIfTI."""
    input:
        bucket=f"{RUN}/cohort/buckets/{{bucket}}.parquet",
    output:
        table=f"{RUN}/cohort/converted/{{bucket}}.parquet",
    log:
        f"{RUN}/logs/convert/{{bucket}}.log",
    benchmark:
        f"{RUN}/benchmarks/convert/{{bucket}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        **resources("cohort"),
    params:
        download=download,
        bids=f"{RUN}/bids",
        settings=section("cohort", "selection"),
    message:
        "Converting the images of bucket {wildcards.bucket}"
    shell:
        "ldae convert-images --bucket {input.bucket} --download {params.download:q}"
        " --bids {params.bids} --table {output.table} --settings {params.settings:q}"
        " > {log} 2>&1"


rule export_bids:
    """1.4 Describe the converted scans as BIDS, and every image in one table."""
    input:
        planned=f"{RUN}/cohort/planned.parquet",
        converted=in_every_bucket("converted"),
    output:
        images=f"{RUN}/cohort/images.tsv",
        ingested=f"{RUN}/cohort/ingested.parquet",
        attrition=shown(f"{RUN}/cohort/attrition.csv", "Cohort"),
        description=f"{RUN}/bids/dataset_description.json",
    log:
        f"{RUN}/logs/export_bids.log",
    benchmark:
        f"{RUN}/benchmarks/export_bids.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        **resources("cohort"),
    params:
        bids=lambda wildcards, output: os.path.dirname(output.description),
        settings=section("cohort", "ingestion"),
    message:
        "Describing the scans as a BIDS dataset, and every image in one table"
    shell:
        "ldae export-bids --planned {input.planned} --converted {input.converted}"
        " --bids {params.bids} --images {output.images} --ingested {output.ingested}"
        " --attrition {output.attrition} --settings {params.settings:q} > {log} 2>&1"
