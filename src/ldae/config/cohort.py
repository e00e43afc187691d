"""Which people and images: where they come from, which are chosen, who trains."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ldae.config.section import Count, Fraction, Positive, Section


class Cohort(Section):
    source: Literal["adni", "synthetic", "bids"]
    download: str | None  # folder of the archive's download, or a BIDS folder, or a CSV of scans


class Synthetic(Section):
    subjects: dict[Literal["CN", "MCI", "AD"], Annotated[int, Field(ge=0)]]
    visit_months: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]
    visits_per_subject: tuple[Count, Count]  # fewest, most
    voxel_mm: Positive
    traps: bool  # add one instance of each fault known of real downloads

    @model_validator(mode="after")
    def _visits_are_there(self) -> Self:
        fewest, most = self.visits_per_subject
        if not fewest <= most <= len(self.visit_months):
            raise ValueError(
                f"visits_per_subject: {fewest} to {most} visits do not fit the "
                f"{len(self.visit_months)} of visit_months"
            )
        return self


class Selection(Section):
    prefer: Literal["original", "processed"]
    prefer_tesla: Positive | None  # of two exams in one session; null: the first exam
    archive_quality: Literal["require", "ignore"]  # images that failed the archive's own control
    min_slices: Count
    max_voxel_mm: Positive
    min_extent_mm: Positive  # smallest field of view along any axis
    max_image_mb: Positive  # of one image, unpacked; more is taken for a decompression bomb


class Matching(Section):
    near_days: Count  # a diagnosis this near the scan counts without remark
    distant_days: Count  # up to here it counts with the flag diagnosis_distant; beyond it does not
    bracket_days: Annotated[int, Field(ge=0)]  # equal diagnoses this near on both sides; 0: never

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.near_days > self.distant_days:
            raise ValueError("near_days: must not exceed distant_days")
        return self


class Ingestion(Section):
    max_failed_fraction: Fraction  # of T1-weighted images; more that fail stop the run


class Split(Section):
    validation: Fraction  # of subjects
    test: Fraction

    @model_validator(mode="after")
    def _leaves_training_subjects(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError("validation + test leave no training subjects")
        return self
