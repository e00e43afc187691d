"""How many images, sessions and subjects each step of the way keeps, and why it loses the others.

The steps, each on what the one before it kept:

    found        every image of the download
    identified   it is clear what it is an image of, and whose
    t1w          its series is a T1-weighted one
    plausible    it can be a head, and the archive's own control has not failed it
    placed       it belongs to a session
    selected     it is what the session's scan is tried to be made from
    converted    it is a scan of the dataset
"""

import pandas as pd

STEPS = ("found", "identified", "t1w", "plausible", "placed", "selected", "converted")
COLUMNS = ["step", "reason", "images", "sessions", "subjects"]


def count_attrition(ledger: pd.DataFrame) -> pd.DataFrame:
    """The flow of `ledger` through `STEPS`, with the columns of `COLUMNS`.

    A row without a reason says what a step keeps. The rows with reasons before it say what it
    loses, the most frequent reason first: images; sessions and subjects of which no image is left,
    each counted under the reason of its first image lost there. What a step keeps and loses is
    what the step before it kept, in every column.
    """
    left = ledger.assign(session=_session_of(ledger))
    rows = [_row("found", None, left)]
    for step in STEPS[1:]:
        lost = left[left["lost_at"] == step]
        left = left[left["lost_at"] != step]
        gone = lost.assign(
            **{
                who: lost[who].where(~lost[who].isin(left[who]) & ~lost[who].duplicated())
                for who in ("session", "subject")
            }
        )
        reasons = sorted(
            gone["reason"].value_counts().items(), key=lambda item: (-item[1], item[0])
        )
        rows += [_row(step, str(why), gone[gone["reason"] == why]) for why, _ in reasons]
        rows.append(_row(step, None, left))
    return pd.DataFrame(rows, columns=COLUMNS)


def _session_of(ledger: pd.DataFrame) -> "pd.Series[str]":
    return ledger["participant_id"].str.cat(ledger["session_id"], sep=" ")


def _row(step: str, reason: str | None, images: pd.DataFrame) -> dict[str, object]:
    return {
        "step": step,
        "reason": reason,
        "images": len(images),
        "sessions": images["session"].nunique(),
        "subjects": images["subject"].nunique(),
    }
