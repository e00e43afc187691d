"""Under which terms the weights of a run stand, as far as the run can know."""

from dataclasses import dataclass
from importlib.metadata import distribution

from ldae.errors import UserError
from ldae.publishing.facts import Facts

ADNI = "https://adni.loni.usc.edu/data-samples/adni-data/"


@dataclass(frozen=True)
class Terms:
    """How a header names the terms, what a reader must know of them, and the licence's text."""

    license: str  # as Hugging Face spells it
    name: str | None  # of terms that it has no word for
    words: str
    text: str


def terms_of(facts: Facts) -> Terms:
    """Of weights made of others' weights theirs, of people's scans those of the people's data."""
    if facts.imported_from:
        files = ", ".join(facts.imported_from)
        return _others(
            "as-the-imported-weights",
            f"These weights were converted from files that others published ({files}) and stand "
            "under their terms. The original method's release is for non-commercial use; read its "
            "licence before you pass these weights on.",
        )
    if facts.settings.cohort.source == "adni":
        return _others(
            "adni-data-use-agreement",
            "Trained on data of the Alzheimer's Disease Neuroimaging Initiative, whose data-use "
            f"agreement ({ADNI}) bars passing on data of its participants. Whether weights "
            "trained on them may be published is not settled by what we could read: ask ADNI "
            "before this folder leaves your institution. Publications must carry the "
            "acknowledgement that the agreement asks for.",
        )
    if facts.settings.cohort.source == "bids":
        return _others(
            "as-the-cohort-permits",
            "Trained on scans of a cohort of your own. Whoever is responsible for these data "
            "decides whether, to whom and under which terms this folder may be given.",
        )
    return Terms(
        license="apache-2.0",
        name=None,
        words=(
            "Apache-2.0, as the software that made them. The cohort is synthetic: no data-use "
            "agreement applies."
        ),
        text=apache(),
    )


def apache() -> str:
    """The text of the licence that ldae is installed with."""
    text = distribution("ldae").read_text("licenses/LICENSE")
    if text is None:
        raise UserError("ldae is installed without its LICENSE; install it again")
    return text


def _others(name: str, words: str) -> Terms:
    return Terms(license="other", name=name, words=words, text=f"{words}\n")
