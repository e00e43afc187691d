"""Where an image's files lie: copies, remains, and what is no image."""

from ldae.cohort.layout import Home
from ldae.cohort.traps import faults, homes
from ldae.cohort.traps.edits import unlisted
from ldae.cohort.traps.trap import INTERA, SIGNA, TRIO, Outcome, Shot, Trap, excluded, used

PLACES = (
    Trap(
        "the same files in an S folder and, moved, in an I folder",
        (
            Shot(
                "MPRAGE",
                used(),
                place=homes.at(Home(leaf="S"), Home(leaf="I", root="moved/ADNI/ADNI")),
            ),
        ),
        diagnosis="AD",
    ),
    Trap(
        "parts that overlap, in two zips",
        (
            Shot(
                "MP-RAGE",
                used(),
                place=homes.in_overlapping_parts(
                    Home(archive="Synthetic1.zip"), Home(archive="Synthetic1(1).zip")
                ),
            ),
        ),
        site=INTERA,
        diagnosis="MCI",
    ),
    Trap(
        "copies that differ",
        (
            Shot(
                "MPRAGE",
                excluded("conflicting_copies"),
                place=homes.at_two(Home(leaf="S"), Home(leaf="I"), but=faults.one_pixel_differs),
            ),
        ),
    ),
    Trap(
        "one image id under two participants",
        (Shot("MPRAGE", excluded("conflicting_subjects"), place=homes.under_two_participants),),
    ),
    Trap(
        "ADNI4: five digits, names without ids, in an I folder",
        (Shot("Accelerated Sagittal MPRAGE (MSV2x)", used(), place=homes.at(Home(tail=False))),),
        site=127,
        phases=("ADNI4",),
    ),
    Trap(
        "names without ids in an S folder, and the lists know the series",
        (Shot("IR-FSPGR", used(), place=homes.at(Home(leaf="S", tail=False))),),
        site=SIGNA,
        diagnosis="AD",
    ),
    Trap(
        "names without ids in an S folder, and no list knows the series",
        (
            Shot(
                "IR-FSPGR",
                excluded("no_image_id", unknown="image_id"),
                place=homes.at(Home(leaf="S", tail=False)),
            ),
        ),
        site=SIGNA,
        records=(unlisted,),
    ),
    Trap(
        "only the lists say whose image it is",
        (Shot("MPRAGE", used(), place=homes.without_participant),),
        site=TRIO,
        diagnosis="MCI",
    ),
    Trap(
        "nothing says whose image it is",
        (
            Shot(
                "MPRAGE",
                excluded("no_subject_id", unknown="subject"),
                place=homes.without_participant,
            ),
        ),
        site=TRIO,
        records=(unlisted,),
    ),
    Trap("an empty folder", (Shot("MPRAGE", excluded("empty_folder"), place=homes.nowhere),)),
    Trap("MINC", (Shot("MPRAGE", excluded("unknown_format"), place=homes.as_minc),)),
    Trap(
        "a zip that broke off",
        (Shot("MPRAGE", Outcome("absent"), place=homes.in_broken_zip("Synthetic3.zip")),),
        others=(excluded("unreadable_archive"),),
    ),
    Trap(
        "a zip in a zip",
        (Shot("MPRAGE", Outcome("absent"), place=homes.in_zip_in_zip("Synthetic4.zip")),),
        others=(excluded("nested_archive"),),
    ),
)
