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
    "latent_dim": "Latent size",
    "ratio_to_dae": "Speed, times DAE ↑",
}
LOWER_IS_BETTER = {
    "lpips", "mse", "mse_brain", "mse_decoded", "mae", "rmse", "latent_dim",
}  # fmt: skip
MODELS = {
    "autoencoder": "AutoencoderKL",
    "ldm": "LDM",
    "ldae": "LDAE",
    "lddim": "LDDIM",
    "dae": "DAE",
    "supervised": "Supervised encoder",
    "random-init": "Untrained encoder",
    "voxel-pca": "Voxel PCA",
    "demographics": "Demographics",
    "mean-brain": "Mean brain",
}
STARTS = {
    "encoded": "encoded z_T",
    "semantic": "from y_sem only",
    "bottleneck": "no diffusion",
    "wrong-subject": "another subject's y_sem",
    "zero": "y_sem and z_T = 0",
    "unconditional": "unconditional sample",
    "mean-brain": "mean training brain",
}
TASKS = {"ad_vs_cn": "AD vs CN", "age": "age"}


def metric_label(metric: str) -> str:
    """A metric's name for people, with the better direction; unknown names stay as they are."""
    return METRICS.get(metric, metric.replace("_", " "))


def row_label(table: str, row: str) -> str:
    """A row of `config/paper.csv` (`ldae/encoded/50`) for people: `LDAE, encoded z_T, T = 50`."""
    model, *rest = row.split("/")
    words = [MODELS.get(model, model)]
    if table in {"reconstruction", "models"}:
        start, steps = rest
        words.append(STARTS.get(start, start))
        words += [f"T = {steps}"] if steps != "0" else []
    elif table == "downstream":
        words.append(TASKS.get(rest[0], rest[0]))
    elif table == "interpolation":
        words.append(f"gap {rest[0]} months")
    return ", ".join(words)
