"""What is measured of single scans with the trained models."""

import pyarrow as pa

# Scores of one reconstruction of one scan; `steps` is 0 where nothing is sampled.
RECONSTRUCTED = pa.schema(
    [
        pa.field("model", pa.string(), nullable=False),
        pa.field("start", pa.string(), nullable=False),
        pa.field("steps", pa.int64(), nullable=False),
        pa.field("participant_id", pa.string(), nullable=False),
        pa.field("session_id", pa.string(), nullable=False),
        pa.field("ssim", pa.float64()),
        pa.field("ms_ssim", pa.float64()),  # null: see `not_computed` of tables/reconstruction.csv
        pa.field("lpips", pa.float64()),
        pa.field("mse", pa.float64()),
        pa.field("psnr", pa.float64()),  # dB
        pa.field("ssim_brain", pa.float64()),
        pa.field("mse_brain", pa.float64()),
    ]
)

# What a probe says of one test scan; of CN, MCI and AD the likeliest as 0, 1 or 2.
PREDICTED = pa.schema(
    [
        pa.field("encoder", pa.string(), nullable=False),
        pa.field("task", pa.string(), nullable=False),  # see metrics/tasks.py
        pa.field("participant_id", pa.string(), nullable=False),
        pa.field("session_id", pa.string(), nullable=False),
        pa.field("truth", pa.float64(), nullable=False),  # 1 for AD, or years; or 0, 1, 2
        pa.field("prediction", pa.float64(), nullable=False),  # probability of AD, or years; or 0 …
        pa.field("probability_cn", pa.float64()),  # where three diagnoses are told apart
        pa.field("probability_mci", pa.float64()),
        pa.field("probability_ad", pa.float64()),
    ]
)

# Scores of one answer to what a session between two others looks like.
INTERPOLATED = pa.schema(
    [
        pa.field("method", pa.string(), nullable=False),
        pa.field("participant_id", pa.string(), nullable=False),
        pa.field("start_session", pa.string(), nullable=False),
        pa.field("middle_session", pa.string(), nullable=False),  # what is to be answered
        pa.field("end_session", pa.string(), nullable=False),
        pa.field("gap_months", pa.int64(), nullable=False),  # class: see `interpolation.gaps`
        pa.field("true_gap_months", pa.int64(), nullable=False),
        pa.field("fraction", pa.float64(), nullable=False),  # of the gap, from start to middle
        pa.field("ssim", pa.float64(), nullable=False),
        pa.field("mse", pa.float64(), nullable=False),
        pa.field("ssim_decoded", pa.float64(), nullable=False),  # to the scan's decoded latent
        pa.field("mse_decoded", pa.float64(), nullable=False),
        pa.field("ssim_brain", pa.float64(), nullable=False),
        pa.field("mse_brain", pa.float64(), nullable=False),
    ]
)

# One test scan with its code moved; `*_of_code` is read from the moved code, without an image.
MANIPULATED = pa.schema(
    [
        pa.field("participant_id", pa.string(), nullable=False),
        pa.field("session_id", pa.string(), nullable=False),
        pa.field("diagnosis", pa.string()),
        pa.field("direction", pa.string(), nullable=False),  # ad_vs_cn, age, random, permuted
        pa.field("strength", pa.float64(), nullable=False),
        pa.field("probability", pa.float64(), nullable=False),  # of AD, of the image encoded again
        pa.field("age", pa.float64(), nullable=False),  # years, likewise
        pa.field("probability_of_code", pa.float64(), nullable=False),
        pa.field("age_of_code", pa.float64(), nullable=False),
        pa.field("ventricle_ml", pa.float64()),
        pa.field("hippocampus_ml", pa.float64()),
        pa.field("changed_share", pa.float64()),  # of the brain, against strength 0
        pa.field("change_focus", pa.float64()),
        pa.field("ssim_outside", pa.float64()),
        pa.field("mse_outside", pa.float64()),
    ]
)

# What probes read from samples of one code; sample 0 is the scan itself.
VARIED = pa.schema(
    [
        pa.field("participant_id", pa.string(), nullable=False),
        pa.field("session_id", pa.string(), nullable=False),
        pa.field("sample", pa.int64(), nullable=False),
        pa.field("probability", pa.float64(), nullable=False),  # of AD
        pa.field("age", pa.float64(), nullable=False),  # years
        pa.field("ssim_same_code", pa.float64()),  # to the next sample of the same code
        pa.field("mse_same_code", pa.float64()),  # inside the brain
        pa.field("ssim_same_noise", pa.float64()),  # to the next subject's sample of the same z_T
        pa.field("mse_same_noise", pa.float64()),
    ]
)

# What a supervised encoder says of every scan, on whichever side of the split.
SUPERVISED_PREDICTIONS = pa.schema(
    [
        pa.field("participant_id", pa.string(), nullable=False),
        pa.field("session_id", pa.string(), nullable=False),
        pa.field("prediction", pa.float64(), nullable=False),  # probability of AD, or years
    ]
)
