"""The original's brain extraction: ANTsPyNet's network for T1-weighted heads.

Tustison et al. 2021, doi:10.1038/s41598-021-87564-6. It needs TensorFlow and files from the
internet, hence an environment (`envs/antspynet.yaml`) and a rule (`fetch_brain_network`) of its
own. The original multiplies by the network's probability; here it decides at one half.
"""

import importlib
import shutil
import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np
from scipy import ndimage

from ldae.errors import UserError
from ldae.preprocessing.brain import largest_part
from ldae.preprocessing.images import Image
from ldae.preprocessing.linear import to_ants
from ldae.runtime import atomic_path, note_read

WEIGHTS, TEMPLATE = "brainExtractionRobustT1", "S_template3"  # ANTsPyNet's names
FILES = (f"{WEIGHTS}.h5", f"{TEMPLATE}.nii.gz")
INSTALL = "use the environment envs/antspynet.yaml, or `pip install antspynet`"


def network_mask(image: Image, files: tuple[Path, ...]) -> Image:
    """The largest part of where the network sees brain with a probability above one half.

    Raises:
        UserError: ANTsPyNet is not installed.
    """
    antspynet = _antspynet()
    antspynet.utilities.set_antsxnet_cache_directory(str(files[0].parent))
    probability = antspynet.brain_extraction(to_ants(image), modality="t1").numpy()
    return image.with_data(largest_part(ndimage.binary_fill_holes(np.asarray(probability) > 0.5)))


def network_files(folder: Path | None) -> tuple[Path, ...]:
    """The fetched files.

    Raises:
        UserError: they are not there.
    """
    files = tuple((folder or Path()) / name for name in FILES)
    if folder is None or not all(file.is_file() for file in files):
        raise UserError(
            f"brain.method antspynet: {' and '.join(FILES)} are not in {folder or '--network'}; "
            "fetch them where there is a network: ldae fetch-brain-network --network FOLDER"
        )
    for file in files:
        note_read(file)
    return files


def fetch_network(folder: Path) -> None:
    """Download the network's weights and the image it aligns heads to, once, into `folder`.

    Raises:
        UserError: ANTsPyNet is not installed, or the download fails.
    """
    antspynet = _antspynet()
    for name, fetch in zip(
        FILES, (antspynet.get_pretrained_network, antspynet.get_antsxnet_data), strict=True
    ):
        with tempfile.TemporaryDirectory() as cache, atomic_path(folder / name) as temporary:
            antspynet.utilities.set_antsxnet_cache_directory(cache)
            try:
                shutil.copyfile(fetch(name.partition(".")[0]), temporary)
            except Exception as error:  # noqa: BLE001  (Keras raises no narrower kind)
                raise UserError(f"{name} cannot be downloaded: {error}") from None


def _antspynet() -> ModuleType:
    try:
        return importlib.import_module("antspynet")
    except ImportError as error:
        raise UserError(f"brain.method antspynet: {error}; {INSTALL}") from None
