"""Write a run's model as a Hugging Face folder; nothing is uploaded."""

import logging
from pathlib import Path

from ldae.publishing.facts import read_facts
from ldae.publishing.pages import model_card
from ldae.publishing.parts import publish_models, summary
from ldae.publishing.terms import terms_of
from ldae.runtime import atomic_folder, write_json, write_text


def export_huggingface(*, run: Path, output: Path, authors: str = "not stated") -> None:
    """Write safetensors with their configurations, a model card and the licence to a folder.

    `ldae.load` reads the folder as it reads the run's own. Nothing of single people is in it.

    Args:
        run: the folder of a finished run, `results/demo` say.
        output: the folder to make; nothing may be in it yet.
        authors: who trained the model, for the card.
    """
    facts = read_facts(run)
    terms = terms_of(facts)
    with atomic_folder(output) as folder:
        publish_models(facts.models, folder)
        write_json(folder / "config.json", summary(facts.models))
        write_text(folder / "README.md", model_card(facts, terms, authors=authors))
        write_text(folder / "LICENSE", terms.text)
    logging.info("%s: weights, configurations, README.md, LICENSE (%s)", output, terms.license)
    if terms.license == "other":
        logging.warning(terms.words)
