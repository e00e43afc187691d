rule embed_pca:
    """8.2 Store every scan's scores on the components of training volumes."""
    input:
        scans=f"{RUN}/cohort/scans.parquet",
    output:
        weights=f"{RUN}/models/voxel-pca/weights.safetensors",
        config=f"{RUN}/models/voxel-pca/config.json",
        embeddings=f"{RUN}/embeddings/voxel-pca.parquet",
    log:
        f"{RUN}/logs/embed/voxel-pca.log",
    benchmark:
        f"{RUN}/benchmarks/embed/voxel-pca.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        **resources("preprocess"),
    params:
        derivatives=DERIVATIVES,
        model=subpath(output.weights, parent=True),
        settings=section("seed", "voxel_pca"),
    message:
        "Embedding every scan by principal components of voxels"
    shell:
        "ldae embed-pca --scans {input.scans} --derivatives {params.derivatives}"
        " --model {params.model} --embeddings {output.embeddings} --threads {threads}"
        " --settings {params.settings:q} > {log} 2>&1"


rule evaluate_probes:
    """9.1 Fit linear probes on the codes, and score them on test subjects."""
    input:
        scans=f"{RUN}/cohort/scans.parquet",
        embeddings=EMBEDDINGS,
        supervised=PREDICTIONS,
    output:
        table=shown(f"{RUN}/tables/downstream.csv", "Representation"),
        by_group=shown(f"{RUN}/tables/downstream_by_group.csv", "Representation"),
        compared=shown(f"{RUN}/tables/downstream_compared.csv", "Representation"),
        predictions=f"{RUN}/tables/predictions.parquet",
        probes=f"{RUN}/models/probes.json",
    log:
        f"{RUN}/logs/evaluate_probes.log",
    benchmark:
        f"{RUN}/benchmarks/evaluate_probes.tsv"
    conda:
        ENVIRONMENT
    threads: threads_of("evaluate")
    resources:
        **(resources("evaluate") | {"gpu": 0}),
    params:
        settings=section("seed", "probe", "downstream", "bootstrap"),
    message:
        "Probing the embeddings for diagnosis and age"
    shell:
        "ldae evaluate-probes --scans {input.scans} --embeddings {input.embeddings}"
        " --supervised {input.supervised} --table {output.table} --by-group {output.by_group}"
        " --compared {output.compared} --predictions {output.predictions}"
        " --probes {output.probes} --threads {threads}"
        " --settings {params.settings:q} > {log} 2>&1"


rule write_contract:
    """9.2 Write what the models expect of a single scan, and what is usual."""
    input:
        **MODELS,
        scans=f"{RUN}/cohort/scans.parquet",
        embeddings=f"{RUN}/embeddings/ldae.parquet",
        probes=f"{RUN}/models/probes.json",
    output:
        f"{RUN}/models/contract.json",
    log:
        f"{RUN}/logs/write_contract.log",
    benchmark:
        f"{RUN}/benchmarks/write_contract.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        **(resources("evaluate") | {"gpu": 0}),
    params:
        derivatives=DERIVATIVES,
        models=subpath(output[0], parent=True),
        settings=section("preprocessing", "quality", "sampling"),
    message:
        "Writing what the models expect of a scan"
    shell:
        "ldae write-contract --scans {input.scans} --derivatives {params.derivatives}"
        " --models {params.models} --embeddings {input.embeddings} --probes {input.probes}"
        " --contract {output} --settings {params.settings:q} > {log} 2>&1"


rule evaluate_representation:
    """11.1 Measure whether the semantic code is alive."""
    input:
        **MODELS,
        volumetric=weights_of("ldae-volume"),
        dae=weights_of("dae"),
        scans=f"{RUN}/cohort/scans.parquet",
        embeddings=EMBEDDINGS,
        supervised=PREDICTIONS,
        per_scan=f"{RUN}/tables/reconstruction.parquet",
    output:
        table=shown(f"{RUN}/tables/representation.csv", "Representation"),
        by_time=shown(f"{RUN}/tables/representation_by_time.csv", "Representation"),
    log:
        f"{RUN}/logs/evaluate_representation.log",
    benchmark:
        f"{RUN}/benchmarks/evaluate_representation.tsv"
    priority: 1  # last of the longest chain
    conda:
        ENVIRONMENT
    threads: threads_of("evaluate")
    resources:
        **resources("evaluate"),
        scans_per_batch=config["resources"]["scans_per_batch"],
    params:
        derivatives=DERIVATIVES,
        models=subpath(input.ldae, ancestor=2),
        settings=section(
            *("seed", "ldae", "ldae_volume", "sampling"),
            *("metrics", "reconstruction", "bootstrap"),
        ),
    message:
        "Measuring whether the semantic code is alive"
    shell:
        "ldae evaluate-representation --scans {input.scans} --derivatives {params.derivatives}"
        " --models {params.models} --embeddings {input.embeddings}"
        " --supervised {input.supervised} --per-scan {input.per_scan} --table {output.table}"
        " --by-time {output.by_time} --devices {resources.gpu} --threads {threads}"
        " --batch-size {resources.scans_per_batch}"
        " --settings {params.settings:q} > {log} 2>&1"
