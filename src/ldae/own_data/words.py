"""What the words of a user's own tables stand for: subjects, sessions, months, diagnoses."""

import hashlib
import re
from collections.abc import Iterable

from ldae.bids import participant_label
from ldae.parsing import parse_int

_DIAGNOSES = {
    "CN": "cn nc nl hc sci scd smc con ctl control controls healthy normal healthycontrol "
    "normalcontrol cognitivelynormal cognitivelyunimpaired cu",
    "MCI": "mci emci lmci amci smci pmci namci mildcognitiveimpairment",
    "AD": "ad dem dementia dat alzheimer alzheimers alzheimersdisease alzheimerdisease "
    "addementia alzheimersdementia",
}
_MEANING = {word: diagnosis for diagnosis, words in _DIAGNOSES.items() for word in words.split()}
_AT_ENROLMENT = {"CN", "SMC", "EMCI", "LMCI", "MCI", "AD"}


def diagnosis_of(words: str | None) -> str | None:
    """CN, MCI or AD; of a change (`MCI to Dementia`) what it changed to."""
    last = re.split(r"\bto\b", (words or "").lower())[-1]
    return _MEANING.get(re.sub(r"[^a-z]", "", last))


def diagnosis_at_enrolment(words: str | None) -> str | None:
    """CN, SMC, EMCI, LMCI, MCI or AD."""
    known = (words or "").strip().upper()
    return known if known in _AT_ENROLMENT else diagnosis_of(words)


def months_of(session: str | None) -> int | None:
    """Months since baseline, if the name of a session says them: `ses-M012`, `m12`, `bl`."""
    name = re.sub(r"[^0-9a-z]", "", (session or "").lower()).removeprefix("ses")
    if name in {"bl", "baseline", "sc", "screening"}:
        return 0
    match = re.fullmatch(r"(?:m|mo|month)(\d{1,4})", name)
    return parse_int(match[1]) if match else None


def subject_name(text: str) -> str:
    """One name of a subject, with or without `sub-`; ids of ADNI as its scans are labelled."""
    if re.fullmatch(r"\d{3}_S_\d{4,5}", text):
        text = participant_label(text)
    return text.removeprefix("sub-")


def session_name(text: str) -> str:
    """One name of a session, with or without `ses-`."""
    return text.removeprefix("ses-")


def label(names: Iterable[str]) -> dict[str, str]:
    """A label of letters and digits for each name, no two alike even without regard to case.

    Valid names stay as they are; others lose what is neither letter nor digit. Where that would be
    another's label, some digits follow that depend on the name alone.
    """
    plain = {name: re.sub(r"[^0-9A-Za-z]", "", name) for name in names}
    labels: dict[str, str] = {}
    taken = {""}
    for name in sorted(plain, key=lambda name: (plain[name] != name, name)):
        text = plain[name]
        if text.lower() in taken:
            text += hashlib.sha256(name.encode()).hexdigest()[:6]
        taken.add(text.lower())
        labels[name] = text
    return labels


def in_natural_order(text: str) -> list[tuple[int, str]]:
    """A sorting key by which `run-2` comes before `run-10`."""
    parts = re.findall(r"[0-9]{1,18}|[^0-9]+", text)
    return [(int(part), "") if part[0] in "0123456789" else (-1, part) for part in parts]
