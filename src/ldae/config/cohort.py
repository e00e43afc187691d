"""Which people and images: where they come from, which are chosen, who trains."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ldae.config.section import Count, Fraction, Positive, Section


class Cohort(Section):
    source: Literal["adni", "synthetic", "bids"]
    """Where scans come from: `adni` your download, `synthetic` the embedded cohort, `bids` your
    BIDS folder or CSV of scans."""
    download: str | None
    """Folder of the download with images and study tables, or a BIDS folder, or a CSV; null: not
    given."""


class Synthetic(Section):
    subjects: dict[Literal["CN", "MCI", "AD"], Annotated[int, Field(ge=0)]]
    """Subjects per diagnosis."""
    visit_months: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]
    """Months since baseline at which a subject may be scanned."""
    visits_per_subject: tuple[Count, Count]
    """Fewest and most visits of a subject; at most as many as `visit_months`."""
    voxel_mm: Positive
    """Voxel size in mm, isotropic, of the raw head."""
    traps: bool
    """Add one instance of each fault known of real downloads."""

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
    """Original or processed images of the archive."""
    prefer_tesla: Positive | None
    """Field strength in T to take where a session has two exams; null: first exam."""
    archive_quality: Literal["require", "ignore"]
    """`require`: leave out images that failed the archive's own quality control; `ignore`: take
    them."""
    min_slices: Count
    """Fewest slices of an image."""
    max_voxel_mm: Positive
    """Largest voxel in mm, along any axis."""
    min_extent_mm: Positive
    """Smallest field of view in mm, along any axis."""
    max_image_mb: Positive
    """Largest size in MB of one image, unpacked; more is taken for a decompression bomb."""


class Matching(Section):
    near_days: Count
    """Days between scan and diagnosis; a diagnosis this near counts without remark."""
    distant_days: Count
    """Days; up to here a diagnosis counts with the flag `diagnosis_distant`, beyond it the
    diagnosis is n/a."""
    bracket_days: Annotated[int, Field(ge=0)]
    """Days; equal diagnoses this near before and after the scan count, flagged; 0: never."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.near_days > self.distant_days:
            raise ValueError("near_days: must not exceed distant_days")
        return self


class Ingestion(Section):
    max_failed_fraction: Fraction
    """Part of the T1-weighted images; more that fail (and more than one) stop the run."""


class Split(Section):
    validation: Fraction
    """Part of the subjects that trainings are watched on; with `test` less than 1."""
    test: Fraction
    """Part of the subjects that results are measured on."""

    @model_validator(mode="after")
    def _leaves_training_subjects(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError("validation + test leave no training subjects")
        return self
