"""What the study calls a visit: each phase, table and list has words of its own."""

from dataclasses import dataclass

from ldae.cohort.clinic import Subject, Visit

_ORDINALS = {0: "1", 6: "3", 12: "4", 18: "5", 24: "6", 36: "8"}  # ADNI1, in the oldest lists


@dataclass(frozen=True)
class VisitName:
    """One visit in every spelling."""

    code: str  # VISCODE: counts from the entry into the phase
    months: str  # VISCODE2: counts from the participant's first baseline
    listed: str  # in the newer lists of images, where the first scan is a screening's
    ordinal: str  # in the oldest lists of images
    label: str  # in advanced searches and metadata


def name_visit(subject: Subject, visit: Visit) -> VisitName:
    """The names of one visit of a participant."""
    first = next(other for other in subject.visits if other.phase == visit.phase)
    code, listed, label = (_enter if visit is first else _return)(visit, first)
    months = "bl" if visit.months == 0 else f"m{visit.months:02d}"
    return VisitName(code, months, listed, _ORDINALS.get(visit.months, code), label)


def _enter(visit: Visit, _: Visit) -> tuple[str, str, str]:
    """A participant's first visit in a phase: enrolled by it, or continuing from an earlier one."""
    continuing = visit.months > 0
    return {
        ("ADNI1", False): ("bl", "sc", "ADNI Screening"),
        ("ADNI2", False): ("v03", "v02", "ADNI2 Screening MRI-New Pt"),
        ("ADNI2", True): ("v06", "v06", "ADNI2 Initial Visit-Cont Pt"),
        ("ADNI3", False): ("bl", "sc", "ADNI Screening"),
        ("ADNI3", True): ("init", "init", "ADNI3 Initial Visit-Cont Pt"),
        ("ADNI4", False): ("4_bl", "4_bl", "ADNI4 Baseline - New Pt"),
        ("ADNI4", True): ("4_init", "4_init", "ADNI4 Initial Visit - Cont Pt"),
    }[visit.phase, continuing]


def _return(visit: Visit, first: Visit) -> tuple[str, str, str]:
    """A later visit, named by the time since the first one of the phase."""
    months = visit.months - first.months
    year = months // 12
    code, label = {
        "ADNI1": (f"m{months:02d}", f"ADNI1/GO Month {months}"),
        "ADNI2": (f"v{year}1", f"ADNI2 Year {year} Visit"),
        "ADNI3": (f"y{year}", f"ADNI3 Year {year} Visit"),
        "ADNI4": (f"4_m{months:02d}", f"ADNI4 Month {months}"),
    }[visit.phase]
    return code, code, label
