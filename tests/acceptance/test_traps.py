"""Acceptance: every trap of the embedded cohort's download ends as its table says it must."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import pytest
from tests.acceptance.running import Ingested, run_stages

from ldae.cohort.traps.cases import TRAPS
from ldae.stages.make_cohort import Settings, make_cohort

COHORT = {
    "subjects": {"CN": 4, "MCI": 1, "AD": 1},
    "visit_months": [0, 12],
    "visits_per_subject": [1, 2],
    "voxel_mm": 4.0,
    "traps": True,
}
LIMITS = {"min_slices": 20, "max_voxel_mm": 5.0, "min_extent_mm": 120.0}  # as in the demo
AGE_TOLERANCE = 0.02  # years: ages are kept with two decimals
NAMES = ["a file of a series is cut short", *(trap.name for trap in TRAPS)]


@dataclass(frozen=True)
class Outcome:
    """What was expected and what became of it."""

    expected: pd.DataFrame  # text; what is missing is not asserted
    run: Ingested

    def found(self, row: pd.Series) -> pd.DataFrame:
        """The ledger's rows of the image, or of the subject, that an expected row is about."""
        ledger = self.run.ledger
        for column in ("image_id", "subject"):
            if pd.notna(row[column]):
                ledger = ledger[ledger[column] == row[column]]
        return ledger


@pytest.fixture(scope="session")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("traps")
    make_cohort(
        download=folder / "download",
        truth=folder / "truth.csv",
        expected=folder / "expected.csv",
        settings=Settings.model_validate({"seed": 42, "synthetic": COHORT}),
    )
    run = run_stages(folder / "download", folder / "results", scans_per_job=200, **LIMITS)
    expected = pd.read_csv(
        folder / "expected.csv", dtype=str, keep_default_na=False, na_values=[""]
    )
    return Outcome(expected, run)


def test_every_trap_has_expectations_under_a_name_of_its_own(outcome: Outcome) -> None:
    assert sorted(set(outcome.expected["trap"])) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_trap_ends_as_expected(outcome: Outcome, name: str) -> None:
    wrong = [
        fault
        for _, row in outcome.expected[outcome.expected["trap"] == name].iterrows()
        for fault in differences(outcome, row)
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_else_is_lost_but_what_is_no_scan_or_second_best(outcome: Outcome) -> None:
    known = outcome.expected["subject"].dropna()
    ledger = outcome.run.ledger
    others = ledger[~ledger["subject"].isin(known) & ledger["subject"].notna()]
    lost = others[others["status"] == "excluded"]
    assert set(lost["reason"]) <= {"not_t1w", "not_selected:repeat", "conflicting_subjects"}
    assert set(others.loc[others["status"] == "used", "flags"].dropna()) == set()


def differences(outcome: Outcome, row: pd.Series) -> Iterator[str]:
    """What is not as `row` of the expectations says, in words."""
    found = outcome.found(row)
    what = f"{row['subject']} I{row['image_id']}"
    if row["status"] == "absent":
        if len(found):
            yield f"{what}: there should be no such image, but {said(found)}"
        return
    fits = found[(found["status"] == row["status"])]
    if pd.notna(row["reason"]):
        fits = fits[fits["reason"] == row["reason"]]
    if fits.empty:
        yield f"{what}: not {row['status']} {row['reason']}, but {said(found)}"
    elif row["status"] == "used":
        scan = outcome.run.scan(int(row["image_id"]))
        facts = {"session_id": scan.session_id, "diagnosis": scan.diagnosis or "n/a"}
        yield from (
            f"{what}: {name} is {value}, not {row[name]}"
            for name, value in facts.items()
            if value != row[name]
        )
        if scan.age is None or abs(scan.age - float(row["age"])) > AGE_TOLERANCE:
            yield f"{what}: age is {scan.age} ({scan.age_source}), not {row['age']}"
        if pd.notna(row["flags"]) and scan.flags != set(row["flags"].split("|")):
            yield f"{what}: flags are {scan.flags or 'none'}, not {row['flags']}"


def said(found: pd.DataFrame) -> str:
    """What the ledger says of images."""
    columns = ["status", "session_id", "reason", "detail"]
    return "; ".join(" ".join(row.dropna()) for _, row in found[columns].iterrows()) or "nothing"
