"""One image preprocessed outside the workflow, into a derivative dataset of its own."""

import json
import re
from pathlib import Path

from ldae.bids import sidecar_path
from ldae.config import Preprocessing, Quality
from ldae.errors import UserError
from ldae.preprocessing.outputs import Outputs, outputs_of, write_description
from ldae.preprocessing.threads import use_threads
from ldae.preprocessing.verdict import faults
from ldae.runtime import sha256


def preprocess_image(
    image: Path,
    *,
    output: Path,
    network: Path | None,
    threads: int,
    preprocessing: Preprocessing,
    quality: Quality,
) -> Outputs:
    """Write the brain of one image in template space, its mask, transforms, figures and picture.

    What stands there from the same image and settings is kept.

    Args:
        image: a T1-weighted head (NIfTI).
        output: a derivative dataset; subject and session in the image's name
            (`sub-X_ses-Y_T1w.nii.gz`) are kept, any other name becomes the subject's, and a missing
            session is called 1.
        network: folder of the network's files, for brain extraction by antspynet.
        threads: of ITK; results are repeatable to the byte with 1.
        preprocessing: settings.
        quality: thresholds of what comes out.

    Raises:
        UserError: if the image is preprocessed already, or the output folder holds the session's
            scan made from another image, or the image cannot be preprocessed, or what came out is
            beyond a threshold of `quality`, with the reason; in the last case the files stay, to
            be looked at.
    """
    use_threads(threads)
    # ITK reads its thread count when ANTs, which these import, is first imported.
    from ldae.preprocessing.failure import ScanError  # noqa: PLC0415
    from ldae.preprocessing.scan import is_finished, preprocess_scan  # noqa: PLC0415
    from ldae.preprocessing.source import Source, find_aids  # noqa: PLC0415

    if not image.is_file():
        raise UserError(f"{image} does not exist")
    if preprocessing.brain.method != "none" and _is_stripped(image):
        raise UserError(
            f"{image} has no skull any more, as its sidecar says; give the raw image it was made of"
        )
    participant_id, session_id = _entities(image)
    outputs = outputs_of(participant_id, session_id, preprocessing, derivatives=output)
    _refuse_replacing(outputs, image, output)
    write_description(output, raw=None)
    try:
        aids = find_aids(image, preprocessing.brain, network)
        source = Source(image, sha256(image), image.name, aids)
        if not is_finished(source, outputs, preprocessing):
            preprocess_scan(source, outputs, preprocessing)
    except ScanError as failure:
        outputs.remove()
        raise UserError(f"{image} cannot be preprocessed: {failure}") from None
    figures = json.loads(outputs.quality.read_text(encoding="utf-8"))["quality"]
    wrong = [f"{reason} ({found})" for reason, found in faults(figures, quality)]
    if wrong:
        raise UserError(f"{image} is not fit for use: {'; '.join(wrong)}; see {outputs.figure}")
    return outputs


def _is_stripped(image: Path) -> bool:
    try:
        made = json.loads(sidecar_path(image).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(made, dict) and made.get("SkullStripped") is True


def _refuse_replacing(outputs: Outputs, image: Path, output: Path) -> None:
    """Refuse to lose what was made from another image of the session, such as its second run."""
    if output.exists() and not output.is_dir():
        raise UserError(f"{output} is not a folder")
    try:
        sources = json.loads(outputs.quality.read_text(encoding="utf-8"))["Sources"]
    except (OSError, ValueError, KeyError):
        return
    if sources != [image.name]:
        raise UserError(
            f"{outputs.quality} was made from {sources[0]}, not {image.name}; "
            "name another output folder"
        )


def _entities(image: Path) -> tuple[str, str]:
    """Participant and session as the image's name gives them, else its bare name and session 1."""
    name = image.name.split(".nii")[0]
    found = re.match(r"(sub-[0-9A-Za-z]+)(?:_(ses-[0-9A-Za-z]+))?_", name)
    if found:
        return found[1], found[2] or "ses-1"
    bare = re.sub(r"[^0-9A-Za-z]", "", name)
    if not bare:
        raise UserError(
            f"{image}: no letter or digit in its name to call the subject by; rename it"
        )
    return f"sub-{bare}", "ses-1"
