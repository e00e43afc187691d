"""Pages of subjects from what preprocessing left: facts, figures of quality, pictures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from ldae.bids import figure_path
from ldae.explorer.content import Figure, Session, Subject
from ldae.explorer.volumes import small_picture
from ldae.report.quality import Measure, all_scans, outliers_first
from ldae.tables import KEYS

NOT_MEASURED = "not measured"


def pages_of(
    kept: pd.DataFrame, lost: pd.DataFrame, measures: Sequence[Measure]
) -> dict[str, Subject]:
    """A page per subject, by participant id: all its sessions, those first that models read.

    `kept` is the table of scans, `lost` that of excluded ones.
    """
    facts = ["months", "age", "diagnosis", "sex", "split"]
    columns = [*KEYS, *facts, "reason", *[each.column for each in measures]]
    both = pd.concat([part.reindex(columns=columns) for part in (kept, lost)], ignore_index=True)
    ordered = both.sort_values(["participant_id", "session_id"]).astype(object)
    known = ordered.where(ordered.notna(), None)
    return {
        str(name): Subject(
            participant_id=str(name),
            sex=next(filter(None, rows["sex"]), None),
            split=next(filter(None, rows["split"]), None),
            sessions=[_session(row, measures) for row in rows.to_dict("records")],
        )
        for name, rows in known.groupby("participant_id", sort=True)
    }


def by_oddity(
    kept: pd.DataFrame, lost: pd.DataFrame, measures: Sequence[Measure], pages: Iterable[str]
) -> list[str]:
    """The participant ids of `pages`, subjects with excluded or unusual scans first."""
    judged = outliers_first(all_scans(kept, lost, [each.column for each in measures]), measures)
    return list(dict.fromkeys([*judged["participant_id"], *pages]))


def with_pictures(subject: Subject, derivatives: Path) -> Subject:
    """The page with the pictures that preprocessing left, as far as there are any."""
    blobs, sessions = {}, []
    for session in subject.sessions:
        path = derivatives / figure_path(subject.participant_id, session.session_id)
        if path.is_file():
            name = f"{subject.participant_id}/{session.session_id}/picture"
            blobs[name] = small_picture(path.read_bytes())
            session = replace(session, picture=name)  # noqa: PLW2901
        sessions.append(session)
    return replace(subject, sessions=sessions, blobs=subject.blobs | blobs)


def _session(row: Mapping[Any, Any], measures: Sequence[Measure]) -> Session:
    return Session(
        session_id=row["session_id"],
        months=None if row["months"] is None else int(row["months"]),
        age=None if row["age"] is None else round(float(row["age"]), 2),
        diagnosis=row["diagnosis"],
        excluded=row["reason"],
        figures=[_figure(row[each.column], each) for each in measures],
        picture=None,
    )


def _figure(found: Any, measure: Measure) -> Figure:
    """One figure beside its bounds; one that could not be measured is beyond every bound."""
    value = float("nan") if found is None else float(found)
    low, high = measure.lowest, measure.highest
    bounds = [
        f"{word} {measure.write(bound)}"
        for word, bound in (("at least", low), ("at most", high))
        if bound is not None
    ]
    inside = (low is None or value >= low) and (high is None or value <= high)
    return Figure(
        label=measure.label,
        value=NOT_MEASURED if found is None else measure.write(value),
        bounds=", ".join(bounds),
        beyond=not inside,
    )
