"""How many threads ANTs and TensorFlow use; both want to know before they are imported."""

import os

VARIABLES = (
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


def use_threads(threads: int) -> None:
    """Let ITK and TensorFlow use `threads`; results repeat to the byte with one."""
    for variable in VARIABLES:
        os.environ[variable] = str(threads)
