"""What the names in tables are called on the page and at the terminal."""

METRICS = {
    "ssim": "SSIM ↑",
    "ms_ssim": "MS-SSIM ↑",
    "psnr": "PSNR ↑ (dB)",
    "lpips": "LPIPS ↓",
    "mse": "MSE ↓",
    "ssim_brain": "SSIM in brain ↑",
    "mse_brain": "MSE in brain ↓",
    "ssim_decoded": "SSIM to decoded ↑",
    "mse_decoded": "MSE to decoded ↓",
    "accuracy": "Accuracy ↑",
    "balanced_accuracy": "Balanced accuracy ↑",
    "precision": "Precision ↑",
    "recall": "Recall ↑",
    "f1": "F1 ↑",
    "roc_auc": "ROC-AUC ↑",
    "mcc": "MCC ↑",
    "mae": "MAE ↓ (years)",
    "rmse": "RMSE ↓ (years)",
    "r2": "R² ↑",
    "brier": "Brier score ↓",
    "ece": "Calibration error ↓",
    "calibration_slope": "Calibration slope (1 is right)",
    "calibration_intercept": "Calibration intercept (0 is right)",
    "n_train": "Training scans",
    "n_test": "Test scans",
    "n_scans": "Scans",
    "n_subjects": "Subjects",
    "n_dims": "Dimensions",
    "variance_per_dim": "Variance per dimension",
    "shuffled_loss_ratio": "Loss with another's code, over own ↑",
    "wrong_subject_margin": "SSIM lost by another's code ↑",
    "supervised_roc_auc": "ROC-AUC of the design, supervised",
    "supervised_mae": "MAE of the design, supervised (years)",
    "latent_dim": "Latent size",
    "ssim_gain": "SSIM beyond nearest session ↑",
    "mse_ratio": "MSE over nearest session’s ↓",
    "gap_months": "Gap (months)",
    "mean_gap_months": "Mean gap (months)",
    "probability": "Probability of AD, of the image",
    "probability_of_code": "Probability of AD, of the code",
    "age_of_code": "Age, of the code (years)",
    "ventricle_ml": "Fluid at ventricles (ml)",
    "hippocampus_ml": "Tissue at hippocampi (ml)",
    "changed_share": "Share of brain changed",
    "change_focus": "Focus of change",
    "ssim_outside": "SSIM outside ↑",
    "mse_outside": "MSE outside ↓",
    "monotone": "Subjects in whom it is monotone ↑",
    "slope_size": "Size of slope",
    "slope_beyond_random": "Slope beyond random’s size ↑",
    "slope_beyond_permuted": "Slope beyond permuted’s size ↑",
    "size_of_probes": "Control’s size, over the probe’s ↓",
    "sd_brain": "SD of a voxel",
    "ssim_pairs": "SSIM of pairs",
    "probability_sd": "SD of probability",
    "probability_ratio": "… over that of scans",
    "age_sd": "SD of age (years)",
    "age_ratio": "… over that of scans",
    "ratio_to_dae": "Speed, times DAE ↑",
    "volumes_per_second": "Volumes per second ↑",
    "frechet": "Fréchet distance to training scans ↓",
    "frechet_test": "Fréchet distance to unseen test scans ↓",
    "nearest_train": "Difference to nearest training scan",
    "nearest_ratio": "… over that of decoded test scans",
    "below_nearest_test": "Nearer than any of those",
    "n_units": "Independent units",
    "age": "Age, of the image (years)",
}
LOWER_IS_BETTER = {
    "lpips", "mse", "mse_brain", "mse_decoded", "mae", "rmse",
}  # fmt: skip
COUNTED = {"latent_dim"}  # of which there is no better or worse
MODELS = {
    "autoencoder": "AutoencoderKL",
    "ldm": "LDM",
    "ldae": "LDAE",
    "ldae-volume": "LDAE, volumetric encoder",
    "lddim": "LDDIM",
    "dae": "DAE",
    "supervised": "Supervised encoder",
    "random-init": "Untrained encoder",
    "voxel-pca": "Voxel PCA",
    "demographics": "Demographics",
    "mean-brain": "Mean brain",
    "test-scans": "Test scans",
    "test-decoded": "Test scans, decoded",
    "other-scan": "Another subject's scan",
}
STARTS = {
    "encoded": "encoded z_T",
    "encoded-clamped": "encoded z_T, clamped",
    "encoded-unclamped": "encoded z_T, not clamped",
    "semantic-clamped": "from y_sem only, clamped",
    "semantic-unclamped": "from y_sem only, not clamped",
    "encoded-wrong-subject": "encoded z_T, another subject's y_sem",
    "encoded-without-code": "encoded z_T, no gradient estimator",
    "semantic": "from y_sem only",
    "bottleneck": "no diffusion",
    "wrong-subject": "another subject's y_sem",
    "zero": "y_sem and z_T = 0",
    "unconditional": "unconditional sample",
    "mean-brain": "mean training brain",
    "other-scan": "as it is",
}
OPERATIONS = {"reconstruct": "whole reconstruction"}
TASKS = {
    "ad_vs_cn": "AD vs CN",
    "age": "age",
    "cn_mci_ad": "CN vs MCI vs AD",
    "ad_vs_cn_as_paper": "AD vs CN as the paper's code probes it (positive: CN)",
    "age_as_paper": "age as the paper's code probes it",
}


def metric_label(metric: str) -> str:
    """A metric's name for people, with the better direction; unknown names stay as they are."""
    return METRICS.get(metric, metric.replace("_", " "))


def row_label(table: str, row: str) -> str:
    """A row of `config/paper.csv` (`ldae/encoded/50`) for people: `LDAE, encoded z_T, T = 50`."""
    model, *rest = row.split("/")
    words = [MODELS.get(model, model)]
    if table in {"reconstruction", "models"}:
        start, *steps = rest
        words.append(STARTS.get(start, start))
        words += [f"T = {number}" for number in steps if number != "0"]
    elif table == "downstream":
        words.append(TASKS.get(rest[0], rest[0]))
    elif table == "interpolation":
        words.append(f"gap {rest[0]} months")
    else:
        words += [OPERATIONS.get(operation, operation) for operation in rest]
    return ", ".join(words)
