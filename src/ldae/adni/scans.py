"""The table of scans: what is known of each converted scan on the day it was made."""

from collections.abc import Iterable, Mapping

import pandas as pd

from ldae.adni.conversion import Converted
from ldae.adni.participants import Participant
from ldae.adni.selection import Candidate
from ldae.adni.tables import parse_float, parse_years
from ldae.adni.visits import age_at, diagnosis_at
from ldae.bids import session_label, t1w_path
from ldae.tables import INGESTED, KEYS


def tabulate_scans(
    converted: Iterable[Converted], participants: Mapping[int, Participant]
) -> pd.DataFrame:
    """One row per converted scan, with the columns of `INGESTED`, by participant and session."""
    rows = [
        _describe(result, result.scan, participants.get(result.scan.rid, Participant()))
        for result in converted
        if result.scan
    ]
    frame = pd.DataFrame(rows, columns=INGESTED.names)
    return frame.sort_values(KEYS, ignore_index=True)


def _describe(result: Converted, scan: Candidate, person: Participant) -> dict[str, object]:
    day = scan.acquired.date()
    header_age, header_sex = (scan.header.age, scan.header.sex) if scan.header else (None, None)
    age = age_at(day, person, listed=parse_years(scan.row.get("Age")), stored=header_age)
    diagnosis = diagnosis_at(day, person)
    sex, sex_source = person.sex, person.sex_source
    if sex is None and header_sex:
        sex, sex_source = header_sex, "image header"
    session_id = session_label(scan.months)
    return {
        "participant_id": scan.participant_id,
        "session_id": session_id,
        "months": scan.months,
        "age": age.value,
        "age_source": age.source,
        "age_offset_days": age.offset_days,
        "sex": sex,
        "sex_source": sex_source,
        "diagnosis": diagnosis.value,
        "diagnosis_source": diagnosis.source,
        "diagnosis_offset_days": diagnosis.offset_days,
        "field_strength": parse_float(str(result.sidecar.get("MagneticFieldStrength"))),
        "manufacturer": result.sidecar.get("Manufacturer"),
        "image_id": scan.image.image_id,
        "image": t1w_path(scan.participant_id, session_id).as_posix(),
        "image_sha256": result.sha256,
    }
