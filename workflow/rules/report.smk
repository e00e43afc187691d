rule compare_paper:
    input:
        paper="config/paper.csv",
        tables=expand(f"{RUN}/tables/{{table}}.csv", table=PAPERS_TABLES),
    output:
        f"{RUN}/tables/paper.csv",
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
    input:
        attrition=f"{RUN}/cohort/attrition.csv",
        excluded=f"{RUN}/cohort/excluded.tsv",
        scans=f"{RUN}/cohort/scans.parquet",
        tables=expand(f"{RUN}/tables/{{table}}.csv", table=TABLES),
        figures=expand(f"{RUN}/figures/{{figure}}.png", figure=FIGURES),
        curves=expand(f"{RUN}/models/{{name}}/train.jsonl", name=TRAINED),
    output:
        flow=f"{RUN}/figures/cohort_flow.svg",
        report=f"{RUN}/report/index.html",
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
        settings=section(*[name for name in config if name != "resources"]),
    message:
        "Writing the results page"
    shell:
        "ldae write-report --attrition {input.attrition} --excluded {input.excluded}"
        " --scans {input.scans} --tables {input.tables} --figures {input.figures}"
        " --curves {input.curves} --benchmarks {params.benchmarks}"
        " --derivatives {params.derivatives} --flow {output.flow} --report {output.report}"
        " --settings {params.settings:q} > {log} 2>&1"
