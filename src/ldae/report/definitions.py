"""What the columns of result tables mean, in a sentence each."""

from collections.abc import Iterable

from ldae.report.labels import metric_label

DEFINITIONS = {
    "ssim": "structural similarity (Wang et al. 2004) of volumes, Gaussian window of 1.5 voxels cut"
    " to `metrics.ssim_window`, mean over the whole volume; 1 is equal",
    "ms_ssim": "SSIM over 5 scales, with the weights of Wang et al. (2003)",
    "psnr": "−10 log₁₀ of the mean squared error",
    "lpips": "learned perceptual distance (SqueezeNet) of slices: means along three axes, summed",
    "mse": "mean squared difference of intensities, which lie in [0, 1], over the whole volume",
    "ssim_brain": "SSIM, mean inside the brain mask: empty background does not count",
    "mse_brain": "mean squared difference inside the brain mask",
    "ssim_decoded": "SSIM to the autoencoder’s decoding of the real scan, as the paper’s",
    "mse_decoded": "mean squared difference to that decoding",
    "ssim_gain": "SSIM less that of the nearer of the two sessions, taken as it is",
    "mse_ratio": "mean squared error over that of the nearer session",
    "accuracy": "share of scans called rightly, threshold one half",
    "balanced_accuracy": "mean over classes of the share called rightly",
    "precision": "share of scans called positive that are; AD is positive (probed as the paper:"
    " CN); of three classes the mean",
    "recall": "share of positive scans called so; of three classes the mean",
    "f1": "harmonic mean of precision and recall; of three classes the mean",
    "roc_auc": "chance that a positive scan gets a higher probability than a negative one; 0.5 is"
    " guessing; of three classes the mean",
    "mcc": "Matthews’ correlation of calls and truth",
    "brier": "mean squared difference of probability and truth",
    "ece": "mean distance of probability and frequency, in 10 equal bins",
    "calibration_slope": "slope of a logistic recalibration; below 1: too extreme probabilities",
    "calibration_intercept": "intercept of a recalibration; below 0: too high probabilities",
    "mae": "mean absolute error in years",
    "rmse": "root of the mean squared error in years",
    "r2": "share of the ages’ variance explained; 0 is the mean age for all",
    "regularisation": "strength of the penalty chosen in cross-validation on training subjects",
    "variance_per_dim": "mean variance of a dimension of y_sem over test scans",
    "effective_rank": "exponential of the entropy of the covariance’s spectrum: along how many"
    " dimensions codes vary",
    "shuffled_loss_ratio": "the decoder’s loss with another subject’s code over that with the"
    " right one; 1 means that the code is ignored",
    "wrong_subject_margin": "SSIM of samples from the right code less that of samples from another"
    " subject’s, equal noise",
    "supervised_roc_auc": "ROC-AUC of the same encoder, trained for the diagnosis",
    "supervised_mae": "mean absolute error in years of the same encoder, trained for age",
    "collapsed": "variance per dimension below 0.01 or effective rank below 2",
    "latent_dim": "numbers that stand for a scan, z_T and y_sem together",
    "loss_right": "loss with the scan’s own code",
    "loss_wrong": "loss with another subject’s code",
    "loss_without": "loss of the diffusion model alone",
    "gain": "share of that last loss that the right code removes beyond a wrong one",
    "probability": "of AD, read by the probe from the edited image, encoded again",
    "age": "in years, read by the probe from the edited image, encoded again",
    "ventricle_ml": "fluid around the ventricles in the template’s space, by the volume’s own"
    " classes of intensity",
    "hippocampus_ml": "tissue at the hippocampi, likewise",
    "changed_share": "part of the brain whose intensity differs by more than 0.05",
    "change_focus": "mean change at ventricles and hippocampi over that in the rest of the brain",
    "ssim_outside": "SSIM where nothing has changed by more than 0.05",
    "mse_outside": "mean squared difference there: below 0.0025 by construction",
    "probability_of_code": "of AD, of the code itself, before anything is decoded",
    "age_of_code": "in years, of the code itself",
    "monotone": "share of subjects in whom every stronger edit moves the measure as expected",
    "slope": "mean of the subjects’ least-squares slopes per unit of strength",
    "slope_size": "mean of the slopes’ magnitudes, whatever their sign",
    "slope_beyond_random": "slope, positive as expected, less the size along a random direction",
    "slope_beyond_permuted": "the same, along a direction of permuted diagnoses",
    "size_of_probes": "a control’s size over that of the probe’s direction that moves the measure"
    " most; below 0.1 it is flat",
    "sd_brain": "standard deviation of a voxel in the brain over samples",
    "ssim_pairs": "SSIM of neighbouring pairs of samples",
    "probability_sd": "standard deviation of the probability of AD read from the samples",
    "probability_ratio": "that over its standard deviation among scans",
    "age_sd": "standard deviation of the age read from the samples, years",
    "age_ratio": "that over its standard deviation among scans",
    "frechet": "Fréchet distance of Gaussians fitted to features of samples and of training scans",
    "frechet_test": "the same to scans of half of the test subjects, which no model has seen",
    "nearest_train": "root mean square difference to the nearest training scan",
    "nearest_ratio": "that over what decoded test scans are away from theirs; about 1: no copy",
    "below_nearest_test": "share of samples nearer to a training scan than any decoded test scan",
    "volumes_per_second": "volumes over seconds, median over repeats after a warm-up",
    "ratio_to_dae": "how many times as fast as the DAE at the same work",
    "seconds_per_volume": "the inverse",
}
# Quantities of training logs.
CURVES = {
    "loss": "what the optimiser lowers; of the LDAE the weighted error of predicted noise",
    "grad_norm": "norm of the gradient before it is clipped",
    "adversarial": "what the autoencoder pays for being told from scans",
    "discriminator": "loss of the network that tells reconstructions from scans",
    "l1": "mean absolute difference of volume and reconstruction",
    "kl": "divergence of a scan’s posterior from a standard normal, summed over the latent",
    "idle_channels": "latent channels that carry nothing",
    "code_variance": "mean variance of a dimension of y_sem over validation scans",
    "code_effective_rank": "along how many dimensions y_sem varies",
    "shuffled_loss_ratio": "loss with another subject’s code over that with the right one",
    "gain_t…": "share of the loss that the right code removes beyond a wrong one, at those times",
}


def definitions(columns: Iterable[str]) -> list[tuple[str, str]]:
    """Names for people and meanings of those columns that need one."""
    return [(metric_label(name), DEFINITIONS[name]) for name in columns if name in DEFINITIONS]
