"""Series whose files do not make one whole volume.

dcm2niix reports success in all but one of these cases (a file cut short), writing several volumes,
a shorter one or a resampled one.
"""

from ldae.cohort.layout import Home
from ldae.cohort.traps import faults
from ldae.cohort.traps.edits import without
from ldae.cohort.traps.homes import at, between_litter
from ldae.cohort.traps.trap import INTERA, SIGNA, TRIO, Fault, Shot, Trap, excluded, used


def _broken(name: str, reason: str, fault: Fault) -> Trap:
    return Trap(name, (Shot("MPRAGE", excluded(reason), fault=fault),))


BROKEN = (
    # dcm2niix: n-1 slices in a wrong place, and a resampled second volume
    _broken("a slice in the middle is missing", "missing_slices", faults.without_middle),
    # dcm2niix: a shorter volume, no word about it; only tables know
    Trap(
        "the last slices are missing, MRIQC counted them",
        (Shot("IR-FSPGR", excluded("truncated"), fault=faults.without_tail),),
        site=SIGNA,
        records=(without("METADATA"),),
    ),
    Trap(
        "the first slices are missing, the metadata counted them",
        (Shot("MP-RAGE", excluded("truncated"), fault=faults.without_head),),
        site=INTERA,
        records=(without("MRIQC"),),
    ),
    # dcm2niix: exit code 1, nothing written
    Trap(
        "a file is cut short, but there is a repeat",
        (
            Shot("MPRAGE", excluded("unreadable_dicom"), fault=faults.cut_short),
            Shot("MPRAGE Repeat", used()),
        ),
        site=TRIO,
        diagnosis="AD",
    ),
    _broken("error pages in place of images", "unreadable_dicom", faults.error_pages),
    # harmless, and to be recognised as such
    Trap(
        "some files are there twice, between a desktop's litter",
        (Shot("MPRAGE", used(), fault=faults.copied, place=between_litter),),
    ),
    Trap(
        "times and positions that differ a little",
        (Shot("MPRAGE", used(), fault=faults.of_varying_times),),
        diagnosis="MCI",
    ),
    # dcm2niix: the volume, and T1w_ROI1 of what was drawn on it
    Trap("overlays", (Shot("MPRAGE", used(), fault=faults.overlaid),), diagnosis="AD"),
    # dcm2niix: a 4D volume
    _broken("a second copy with new instances", "several_volumes", faults.second_copy),
    # dcm2niix: T1w and T1wa, or as many volumes as slices, or T1w_e1, T1w_ph, T1w_i00030
    _broken("two series under one image id", "several_volumes", faults.second_series),
    _broken("a series id for each slice", "several_volumes", faults.series_uid_per_slice),
    _broken("two study times in one series", "several_volumes", faults.two_study_times),
    _broken("an echo time that differs", "several_volumes", faults.one_echo_time_differs),
    _broken("two echoes", "several_volumes", faults.two_echoes),
    _broken("phase beside magnitude", "several_volumes", faults.half_phase),
    _broken("a tilted slice", "several_volumes", faults.one_tilted),
    _broken("a slice of another size", "several_volumes", faults.one_smaller),
    # dcm2niix: assumes 1 mm
    _broken("no voxel size", "no_voxel_size", faults.without_voxel_size),
    Trap(
        "a NIfTI file cut short",
        (
            Shot(
                "MPRAGE",
                excluded("unreadable_nifti"),
                format="NIfTI",
                fault=faults.half_a_file,
                place=at(Home(leaf="S")),
            ),
        ),
    ),
    Trap(
        "a NIfTI file of two volumes",
        (
            Shot(
                "MPRAGE",
                excluded("several_volumes"),
                format="NIfTI",
                fault=faults.two_volumes,
                place=at(Home(leaf="S")),
            ),
        ),
    ),
)
