"""Which image of a session is taken: one of each kind of near twin."""

from ldae.cohort.image_tables import mayo_qc, mriquality
from ldae.cohort.layout import Home
from ldae.cohort.scanner import scanner_of
from ldae.cohort.traps import faults
from ldae.cohort.traps.edits import cells, listed_in, retired_image_in
from ldae.cohort.traps.homes import at, in_leaf_of_original
from ldae.cohort.traps.trap import INTERA, SIGNA, TRIO, Shot, Trap, excluded, lost, used

TWINS = (
    Trap(
        "repeat of the scan",
        (Shot("IR-FSPGR", used()), Shot("IR-FSPGR Repeat", lost("repeat"))),
        site=SIGNA,
    ),
    Trap(
        "plain and accelerated scan",
        (Shot("Accelerated SAG IR-SPGR", lost("accelerated")), Shot("Sag IR-SPGR", used())),
        site=TRIO,
        phases=("ADNI2",),
        diagnosis="MCI",
    ),
    Trap(
        "with and without distortion correction",
        (
            Shot("Accelerated Sagittal MPRAGE_ND", lost("no_distortion_correction")),
            Shot("Accelerated Sagittal MPRAGE", used()),
        ),
        site=TRIO,
        phases=("ADNI3",),
        diagnosis="AD",
    ),
    Trap(
        "original and processed image in one S folder",
        (
            Shot("MPRAGE", used(), place=at(Home(leaf="S"))),
            Shot(
                "MPR; ; N3; Scaled",
                lost("processed"),
                kind="Processed",
                format="NIfTI",
                version_of=0,
                place=in_leaf_of_original("MPRAGE"),
            ),
        ),
    ),
    Trap(
        "only processed images, downloaded as NIfTI",
        (
            Shot(
                "MPR; GradWarp; B1 Correction; N3; Scaled",
                used(),
                kind="Processed",
                format="NIfTI",
                place=at(Home(leaf="S")),
            ),
            Shot(
                "MPR-R; GradWarp; B1 Correction; N3; Scaled",
                lost("repeat"),
                kind="Processed",
                format="NIfTI",
                place=at(Home(leaf="S")),
            ),
        ),
        site=SIGNA,
        diagnosis="MCI",
    ),
    Trap(
        "screening at 1.5 T, baseline at 3 T",
        (
            Shot("MP-RAGE", used()),
            Shot("MPRAGE", lost("other_field_strength"), days_later=35, scanner=scanner_of(TRIO)),
        ),
        site=INTERA,
        diagnosis="AD",
        records=(
            cells("METADATA", 1, visitIdentifier="ADNI Baseline"),
            cells("SEARCH", 1, Visit="ADNI Baseline"),
        ),
    ),
    Trap(
        "failed the archive's quality control",
        (
            Shot("MP-RAGE", excluded("failed_archive_quality")),
            Shot("MP-RAGE REPEAT", used()),
        ),
        site=INTERA,
        records=(
            listed_in("MRIQUALITY", mriquality),
            cells("MRIQUALITY", 0, PASS=0),
            retired_image_in("MRIQC", image_id=999_999, LONIImage="I999999"),
        ),
    ),
    Trap(
        "the archive selected the repeat",
        (
            Shot("MPRAGE", lost("archive_not_selected")),
            Shot("MPRAGE Repeat", used()),
        ),
        site=TRIO,
        phases=("ADNI2",),
        diagnosis="MCI",
        records=(
            listed_in("MAYO_QC", mayo_qc),
            cells("MAYO_QC", 0, series_quality=3, series_selected=0),
        ),
    ),
    Trap(
        "one image as DICOM and as NIfTI",
        (
            Shot("MPRAGE", used()),
            Shot("MPRAGE", lost("nifti_copy"), format="NIfTI", version_of=0, same_id=True),
        ),
        diagnosis="AD",
    ),
    Trap(
        "four scans of one name",
        (
            Shot("MPRAGE", used()),
            Shot("MPRAGE", lost("later_series")),
            Shot("MPRAGE", lost("higher_image_id"), version_of=0),
            Shot("MPRAGE", lost("later_exam"), days_later=9),
        ),
    ),
    Trap(
        "series named like a T1-weighted scan",
        (
            Shot("MPRAGE", used()),
            Shot("Localizer for MPRAGE", excluded("not_t1w"), fault=faults.three_slices),
            Shot("QC Phantom MPRAGE", excluded("not_t1w")),
            Shot("MPRAGE_MPR_Tra", excluded("not_t1w")),
            Shot("Sagittal 3D FLAIR MPRAGE", excluded("not_t1w")),
            Shot("MPRAGE", excluded("too_few_slices"), fault=faults.three_slices),
        ),
        diagnosis="MCI",
        # nobody counted the slices of the test shot
        records=(cells("MRIQC", 5, SlicesPerVolume=3), cells("METADATA", 5, **{"Matrix Z": 3})),
    ),
)
