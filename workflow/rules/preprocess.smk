# Only asked for by preprocessing.brain.method: antspynet; run where there is a network.
rule fetch_brain_network:
    """2.1 Download the original's brain extraction, if it is asked for."""
    output:
        weights=f"{BRAIN_NETWORK}/brainExtractionRobustT1.h5",
        template=f"{BRAIN_NETWORK}/S_template3.nii.gz",
        checksums=f"{BRAIN_NETWORK}/checksums.json",
    log:
        f"{BRAIN_NETWORK}/fetch.log",
    benchmark:
        f"{BRAIN_NETWORK}/benchmark.tsv"
    localrule: True
    conda:
        "../../envs/antspynet.yaml"
    threads: 1
    resources:
        **resources("preprocess"),
    params:
        network=lambda wildcards, output: os.path.dirname(output.weights),
    message:
        "Downloading the brain extraction network"
    shell:
        "ldae fetch-brain-network --network {params.network} > {log} 2>&1"


rule preprocess_scans:
    """2.2 Bias-correct, brain-extract and register one bucket of scans."""
    input:
        bucket=f"{RUN}/cohort/converted/{{bucket}}.parquet",
        network=brain_network,
    output:
        table=f"{RUN}/cohort/preprocessed/{{bucket}}.parquet",
    log:
        f"{RUN}/logs/preprocess/{{bucket}}.log",
    benchmark:
        f"{RUN}/benchmarks/preprocess/{{bucket}}.tsv"
    conda:
        BRAIN_ENVIRONMENT
    threads: threads_of("preprocess")
    resources:
        **resources("preprocess"),
    params:
        bids=f"{RUN}/bids",
        derivatives=DERIVATIVES,
        network=BRAIN_NETWORK,
        masks=supplied_masks,
        settings=section("preprocessing"),
    message:
        "Preprocessing bucket {wildcards.bucket}"
    shell:
        "ldae preprocess-scans --bucket {input.bucket} --bids {params.bids}"
        " --derivatives {params.derivatives} --table {output.table}"
        " --devices {resources.gpu} --threads {threads} --network {params.network}"
        " --settings {params.settings:q} > {log} 2>&1"


rule gather_scans:
    """2.3 Join the scans that passed, with their side of the split."""
    input:
        ingested=f"{RUN}/cohort/ingested.parquet",
        preprocessed=in_every_bucket("preprocessed"),
    output:
        scans=f"{RUN}/cohort/scans.parquet",
        excluded=shown(f"{RUN}/cohort/excluded.tsv", "Cohort"),
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
        derivatives=DERIVATIVES,
        settings=section("seed", "quality", "split"),
    message:
        "Gathering the scans that passed, and splitting subjects"
    shell:
        "ldae gather-scans --ingested {input.ingested} --preprocessed {input.preprocessed}"
        " --derivatives {params.derivatives} --scans {output.scans} --excluded {output.excluded}"
        " --settings {params.settings:q} > {log} 2>&1"
