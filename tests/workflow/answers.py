"""Which jobs of the small run run again when a key of the configuration is edited.

A job is `rule:wildcards`, such as `train_ldae:ldae` or `invert_scans:ldae/4`. Scans are
known only once a download has been indexed, so where that or what precedes it runs again, Snakemake
does not list `convert_images` and `preprocess_scans` in advance; it lists everything that follows.
"""

REPORT = {"write_report", "write_provenance"}
EXPLORER = {"write_explorer", "write_provenance"}
PAPER = {"compare_paper"} | REPORT  # what stands beside the paper's numbers
PROBES = {"evaluate_probes", "write_contract"} | PAPER
REPRESENTATION = {"evaluate_representation"} | REPORT
SCORES = {"evaluate_reconstruction", "compare_models"} | REPRESENTATION | PAPER
BY_LDAE = {f"reconstruct_scans:{part}" for part in ("ldae/2", "ldae/4", "controls/4")}
BY_LDDIM = {"reconstruct_scans:lddim/4"}
BY_DAE = {"reconstruct_scans:dae/2"}
INTERPOLATION = {"evaluate_interpolation"} | PAPER
MANIPULATION = {"evaluate_manipulation"} | REPORT
VARIATION = {"evaluate_variation"} | REPORT
GENERATION = {"sample_scans:ldm", "sample_scans:ldae", "evaluate_generation"} | REPORT
THROUGHPUT = {"measure_throughput"} | PAPER
DRAWN = INTERPOLATION | MANIPULATION | VARIATION | GENERATION
OF_LDAE = {"invert_scans:ldae/2", "invert_scans:ldae/4"} | BY_LDAE | SCORES | DRAWN | EXPLORER
LDAE = {"train_ldae:ldae", "embed_scans:ldae", "embed_scans:random-init"} | OF_LDAE
LDAE |= PROBES | THROUGHPUT
VOLUMETRIC = {"train_ldae_volume:ldae-volume", "embed_scans:ldae-volume"} | REPRESENTATION | PROBES
LDM = {"train_ldm", "invert_scans:lddim/4"} | BY_LDDIM | LDAE | VOLUMETRIC
AUTOENCODER = {"train_autoencoder", "encode_latents"} | LDM
OF_DAE = {"invert_scans:dae/2"} | BY_DAE | SCORES
DAE = {"train_dae", "embed_scans:dae"} | OF_DAE | PROBES | THROUGHPUT
DIAGNOSIS = {"train_supervised:diagnosis", "predict_supervised:diagnosis"} | REPRESENTATION | PROBES
AGE = {"train_supervised:age", "predict_supervised:age"} | REPRESENTATION | PROBES
PCA = {"embed_pca"} | REPRESENTATION | PROBES
MODELS = AUTOENCODER | DAE | DIAGNOSIS | AGE
TABLE_OF_SCANS = {"gather_scans"} | MODELS | PCA
BIDS = {"export_bids"} | TABLE_OF_SCANS
DOWNLOAD = {"index_download"} | BIDS
COHORT = {"make_cohort"} | DOWNLOAD

# The answer to a key is that of its longest beginning here; a text: the edit is refused so.
ANSWERS: dict[str, set[str] | str] = {
    "run": COHORT,  # another folder
    "seed": COHORT,
    "pretrained": MODELS,
    "cohort.source": "results/smoke holds results of cohort.source: synthetic, and",
    "cohort.download": DOWNLOAD,
    "synthetic": COHORT,
    "selection": DOWNLOAD,
    "matching": DOWNLOAD,
    "ingestion": BIDS,
    "preprocessing": {"preprocess_scans"} | TABLE_OF_SCANS,
    "quality": TABLE_OF_SCANS,
    "split": TABLE_OF_SCANS,
    "autoencoder": AUTOENCODER,
    "latents": LDM,
    "diffusion": LDM | DAE,
    "ldm": LDM,
    "ldae": LDAE,
    "ldae.semantic_encoder.initialise": MODELS,  # needs `pretrained`, which every model reads
    "ldae_volume": VOLUMETRIC,
    "baselines": REPRESENTATION | PROBES,  # without ldae-volume; nothing is trained
    "dae": DAE,
    "dae.semantic_encoder.initialise": MODELS,
    "supervised_diagnosis": DIAGNOSIS,
    "supervised_diagnosis.semantic_encoder.initialise": MODELS,
    "supervised_age": AGE,
    "supervised_age.semantic_encoder.initialise": MODELS,
    "sampling": {"invert_scans:lddim/4", "write_contract"} | BY_LDDIM | OF_LDAE,
    "dae_sampling": OF_DAE,
    "bootstrap": SCORES | DRAWN - {"sample_scans:ldm", "sample_scans:ldae"} | PROBES,
    "metrics": BY_LDAE | BY_LDDIM | BY_DAE | SCORES | INTERPOLATION | MANIPULATION | VARIATION,
    "reconstruction.steps": {"invert_scans:ldae/3", "reconstruct_scans:ldae/3"}
    | SCORES
    | THROUGHPUT,
    "reconstruction.control_steps": {"reconstruct_scans:controls/2"} | SCORES,
    "reconstruction.dae_steps": {"invert_scans:dae/3", "reconstruct_scans:dae/3"} | SCORES,
    "probe": PROBES,
    "downstream": PROBES,
    "voxel_pca": PCA,
    "interpolation": INTERPOLATION | EXPLORER,
    "interpolation.steps": {"invert_scans:ldae/3"} | INTERPOLATION | EXPLORER,
    "manipulation": MANIPULATION | EXPLORER,
    "manipulation.steps": {"invert_scans:ldae/3"} | MANIPULATION | EXPLORER,
    "variation": VARIATION | EXPLORER,
    "generation": GENERATION,
    "throughput": THROUGHPUT,
    "explorer": EXPLORER | REPORT,
    "resources": set(),
}
