rule compare_paper:
    """17.1 Put this run's numbers beside the paper's."""
    input:
        paper="config/paper.csv",
        tables=expand(f"{RUN}/tables/{{table}}.csv", table=PAPERS_TABLES),
    output:
        shown(f"{RUN}/tables/paper.csv", "All results"),
    log:
        f"{RUN}/logs/compare_paper.log",
    benchmark:
        f"{RUN}/benchmarks/compare_paper.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        **resources("preprocess"),
    params:
        settings=section(
            "cohort",
            "preprocessing",
            "autoencoder",
            "latents",
            "ldm",
            "ldae",
            "dae",
            "supervised_diagnosis",
            "supervised_age",
            "baselines",
            "sampling",
            "dae_sampling",
            "metrics",
            "reconstruction",
            "interpolation",
            "throughput",
        ),
    message:
        "Putting the numbers beside the paper's"
    shell:
        "ldae compare-paper --paper {input.paper} --tables {input.tables} --table {output}"
        " --settings {params.settings:q} > {log} 2>&1"


rule write_report:
    """17.2 Write the results page, in two builds."""
    input:
        attrition=f"{RUN}/cohort/attrition.csv",
        excluded=f"{RUN}/cohort/excluded.tsv",
        scans=f"{RUN}/cohort/scans.parquet",
        tables=expand(f"{RUN}/tables/{{table}}.csv", table=TABLES),
        figures=expand(f"{RUN}/figures/{{figure}}.png", figure=FIGURES),
        curves=expand(f"{RUN}/models/{{name}}/train.jsonl", name=TRAINED),
    output:
        flow=shown(f"{RUN}/figures/cohort_flow.svg", "Cohort"),
        report=shown(f"{RUN}/report/index.html", "All results"),
        shareable=shown(f"{RUN}/report/shareable.html", "All results"),
    log:
        f"{RUN}/logs/write_report.log",
    benchmark:
        f"{RUN}/benchmarks/write_report.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        **resources("preprocess"),
    params:
        benchmarks=f"{RUN}/benchmarks",
        derivatives=DERIVATIVES,
        run=subpath(output.report, ancestor=2),
        settings=section(*[name for name in config if name != "resources"]),
    message:
        "Writing the results page, internal and shareable"
    shell:
        "ldae write-report --attrition {input.attrition} --excluded {input.excluded}"
        " --scans {input.scans} --tables {input.tables} --figures {input.figures}"
        " --curves {input.curves} --benchmarks {params.benchmarks}"
        " --derivatives {params.derivatives} --run {params.run}"
        " --flow {output.flow} --report {output.report} --shareable {output.shareable}"
        " --settings {params.settings:q} > {log} 2>&1"


rule write_provenance:
    """17.3 Gather how each file was made, with what and of what."""
    input:
        f"{RUN}/report/index.html",
        f"{RUN}/report/explorer.html",
        f"{RUN}/models/contract.json",
    output:
        f"{RUN}/provenance.json",
    log:
        f"{RUN}/logs/write_provenance.log",
    benchmark:
        f"{RUN}/benchmarks/write_provenance.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        **resources("preprocess"),
    params:
        run=subpath(output[0], parent=True),
        settings=section(*[name for name in config if name != "resources"]),
    message:
        "Gathering how each file was made"
    shell:
        "ldae write-provenance --run {params.run} --settings {params.settings:q} > {log} 2>&1"
