"""Write a run's model as a MONAI bundle; nothing is uploaded."""

import logging
from pathlib import Path

import torch

from ldae.errors import UserError
from ldae.models.ldae import load_ldae
from ldae.publishing import bundle
from ldae.publishing.facts import read_facts
from ldae.publishing.network import BundledLdae
from ldae.publishing.pages import bundle_page
from ldae.publishing.terms import terms_of
from ldae.runtime import atomic_folder, atomic_path, write_json, write_text


def export_monai(*, run: Path, output: Path, steps: int = 50, authors: str = "not stated") -> None:
    """Write configs/, models/model.pt, docs/ and LICENSE: from scans to reconstructions and codes.

    MONAI builds and runs it where this version of ldae is installed. Nothing of single people is
    in it.

    Args:
        run: the folder of a finished run, `results/demo` say.
        output: the folder to make, named as the bundle shall be; nothing may be in it yet.
        steps: DDIM steps each way, unless a call says otherwise.
        authors: who trained the model, for the metadata.
    """
    if steps < 1:
        raise UserError(f"--steps {steps}: at least one step is needed")
    facts = read_facts(run)
    terms = terms_of(facts)
    network = BundledLdae(load_ldae(facts.models, clip=facts.settings.sampling.clip), steps=steps)
    page = bundle_page(facts, terms, authors=authors, name=output.name, steps=steps)
    with atomic_folder(output) as folder:
        metadata = bundle.metadata(facts, terms, authors=authors)
        write_json(folder / "configs/metadata.json", metadata)
        write_json(folder / "configs/inference.json", bundle.inference(facts, steps=steps))
        write_json(folder / "configs/encode.json", bundle.encoding())
        with atomic_path(folder / "models/model.pt") as temporary:
            torch.save(network.state_dict(), temporary)
        write_text(folder / "docs/README.md", page)
        write_text(folder / "docs/data_license.txt", f"{terms.words}\n")
        write_text(folder / "LICENSE", terms.text)
    logging.info("%s: configs/, models/model.pt, docs/, LICENSE (%s)", output, terms.license)
    if terms.license == "other":
        logging.warning(terms.words)
