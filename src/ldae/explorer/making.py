"""What a run's models make of a test subject's scans, as the run's evaluations make it."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldae.config import Interpolation, Manipulation, Variation
from ldae.data.choices import PLACES, all_triplets
from ldae.data.embeddings import read_embeddings
from ldae.data.inversions import read_inversions
from ldae.data.volumes import load_volume
from ldae.diffusion.interpolation import lerp, slerp
from ldae.explorer import content
from ldae.explorer.content import Reading, Step, Subject
from ldae.explorer.volumes import pack
from ldae.metrics.directions import move
from ldae.metrics.probe import LinearProbe
from ldae.models.ldae import LatentDiffusionAutoencoder
from ldae.runtime import seeded_generator

LABELS = ("Towards AD", "Towards old age")


@dataclass(frozen=True)
class Probes:
    """Of diagnosis and of age, fitted on codes of training scans."""

    diagnosis: LinearProbe
    age: LinearProbe

    def read(self, codes: NDArray[Any]) -> list[Reading]:
        """What either says of codes (N, E)."""
        probabilities, ages = self.diagnosis.probability(codes), self.age.score(codes)
        return [
            Reading(round(float(probability), 4), round(float(age), 2))
            for probability, age in zip(probabilities, ages, strict=True)
        ]

    def directions(self) -> dict[str, NDArray[Any]]:
        """Unit vectors (E,) along which the scores grow, by what they lead towards."""
        vectors = [self.diagnosis.direction(), self.age.direction()]
        return dict(zip(LABELS, vectors, strict=True))


@dataclass(frozen=True)
class Maker:
    """Fills pages of subjects with volumes.

    Attributes:
        model: the run's.
        made_by: of `model`, with which z_T were stored (`ldae.models.stored.inverted_by`).
        probes: None where there are too few training subjects; nothing is moved or read then.
        derivatives: the folder scans lie in.
        embeddings: the table of their codes.
        inversions: the folder of `ldae/T{steps}/index.parquet`.
        batch_size: volumes in memory at once; no result depends on it.
        seed: of the run, from which `variation` draws.
        interpolation, manipulation, variation: how the run's evaluations do it.
    """

    model: LatentDiffusionAutoencoder
    made_by: str
    probes: Probes | None
    derivatives: Path
    embeddings: Path
    inversions: Path
    batch_size: int
    seed: int
    interpolation: Interpolation
    manipulation: Manipulation
    variation: Variation

    def fill(self, subject: Subject, rows: pd.DataFrame) -> Subject:
        """The page with all volumes of a subject, whose test scans `rows` are in order of time."""
        codes = read_embeddings(self.embeddings, rows).astype(np.float64)
        made = self._sample(self._inverted(rows, self.manipulation.steps), codes, "manipulation")
        blobs: dict[str, str] = {}
        parts = [
            {"sessions": self._reconstructed(subject, rows, codes, made, blobs)},
            self._moved(rows.iloc[[0]], codes[:1], made[0], blobs),
            self._between(rows, codes, blobs),
            self._varied(rows.iloc[[0]], codes[:1], blobs),
        ]
        filled = {name: value for part in parts for name, value in part.items()}
        return replace(subject, **filled, blobs=subject.blobs | blobs)

    def _reconstructed(
        self,
        subject: Subject,
        rows: pd.DataFrame,
        codes: NDArray[Any],
        made: NDArray[np.float32],
        blobs: dict[str, str],
    ) -> list[content.Session]:
        """All sessions; those of `rows` with the scan and what was `made` (N, X, Y, Z) of it."""
        read = self.probes.read(codes) if self.probes else [None] * len(rows)
        added: dict[str, dict[str, Any]] = {}
        for row, volume, reading in zip(rows.to_dict("records"), made, read, strict=True):
            names = [f"{_prefix(row)}/{kind}" for kind in ("original", "reconstruction")]
            blobs[names[0]] = pack(load_volume(self.derivatives / row["volume"]).numpy())
            blobs[names[1]] = pack(volume)
            added[row["session_id"]] = {
                "original": names[0],
                "reconstruction": names[1],
                "read": reading,
            }
        return [replace(each, **added.get(each.session_id, {})) for each in subject.sessions]

    def _moved(
        self,
        rows: pd.DataFrame,
        codes: NDArray[Any],
        unmoved: NDArray[np.float32],
        blobs: dict[str, str],
    ) -> dict[str, Any]:
        """The scan of the one row at every strength along two directions.

        Strength 0 is its reconstruction, `unmoved` (X, Y, Z).
        """
        if self.probes is None:
            return {}
        strengths = sorted({*self.manipulation.strengths} - {0.0})
        moved = {
            (label, strength): move(codes, direction, strength, self.probes.diagnosis)
            for label, direction in self.probes.directions().items()
            for strength in strengths
        }
        z_T = _repeated(self._inverted(rows, self.manipulation.steps), len(moved))
        made = self._sample(z_T, np.concatenate([*moved.values()]), "manipulation")
        still, *read = self.probes.read(self._encode(np.concatenate([unmoved[None], made])))
        prefix = _prefix(rows.iloc[0])
        steps = {label: [Step(0.0, f"{prefix}/reconstruction", still)] for label in LABELS}
        for (label, strength), volume, reading in zip(moved, made, read, strict=True):
            name = f"{prefix}/{label}/{strength:+g}"
            blobs[name] = pack(volume)
            steps[label].append(Step(strength, name, reading))
        return {
            "directions": [
                content.Direction(label, sorted(each, key=lambda step: step.at))
                for label, each in steps.items()
            ]
        }

    def _between(
        self, rows: pd.DataFrame, codes: NDArray[Any], blobs: dict[str, str]
    ) -> dict[str, Any]:
        """From the first to the last session, and at the time of the one nearest half-way."""
        ends = _ends(rows)
        if ends is None:
            return {}
        months = [int(rows["months"].iloc[place]) for place in ends]
        first, gap = months[0], months[-1] - months[0]
        own = [(month - first) / gap for month in months]
        fractions = sorted({*own, *self.interpolation.fractions})
        at = torch.tensor(fractions, dtype=torch.float64)
        outer = [ends[0], ends[-1]]
        start, end = torch.split(self._inverted(rows.iloc[outer], self.interpolation.steps), 1)
        y_start, y_end = torch.split(torch.from_numpy(codes[outer]), 1)
        count = len(fractions)
        z_T = slerp(_repeated(start, count), _repeated(end, count), at)
        y = lerp(_repeated(y_start, count), _repeated(y_end, count), at)
        made = self._sample(z_T, y.numpy(), "interpolation")
        read = self.probes.read(self._encode(made)) if self.probes else [None] * len(made)
        steps = []
        for fraction, volume, reading in zip(fractions, made, read, strict=True):
            month = round(first + fraction * gap, 6)
            name = f"{rows['participant_id'].iloc[0]}/between/{month:g}"
            blobs[name] = pack(volume)
            steps.append(Step(month, name, reading))
        sessions = [str(rows["session_id"].iloc[place]) for place in ends]
        return {"interpolation": content.Interpolation(sessions, months, steps)}

    def _varied(
        self, rows: pd.DataFrame, codes: NDArray[Any], blobs: dict[str, str]
    ) -> dict[str, Any]:
        """Samples of the code of the one row, from the noise that the evaluation draws too."""
        made = self._sample(self._noise, codes.repeat(len(self._noise), axis=0), "variation")
        read = self.probes.read(self._encode(made)) if self.probes else [None] * len(made)
        samples = []
        for index, (volume, reading) in enumerate(zip(made, read, strict=True)):
            name = f"{_prefix(rows.iloc[0])}/sample/{index}"
            blobs[name] = pack(volume)
            samples.append(Step(index, name, reading))
        return {"samples": samples}

    @cached_property
    def _noise(self) -> Tensor:
        """z_T (samples, C, X, Y, Z), the same for every subject."""
        generators = [
            seeded_generator(self.seed, "variation", i) for i in range(self.variation.samples)
        ]
        return torch.stack([torch.randn(self.model.latent_shape, generator=g) for g in generators])

    def _inverted(self, rows: pd.DataFrame, steps: int) -> Tensor:
        index = self.inversions / "ldae" / f"T{steps}" / "index.parquet"
        return read_inversions(index, rows, made_by=self.made_by)

    def _sample(self, z_T: Tensor, codes: NDArray[Any], part: str) -> NDArray[np.float32]:
        """Volumes (N, X, Y, Z) of z_T (N, C, ...) and codes (N, E), with the steps of `part`."""
        steps, device = getattr(self, part).steps, self.model.device
        y = torch.from_numpy(codes).float()
        parts = zip(*(torch.split(each, self.batch_size) for each in (z_T, y)), strict=True)
        with torch.inference_mode():
            made = [
                self.model.to_volume(self.model.sample(z.to(device), c.to(device), steps=steps))
                for z, c in parts
            ]
        volumes: NDArray[np.float32] = torch.cat(made)[:, 0].clamp(0, 1).float().cpu().numpy()
        return volumes

    def _encode(self, volumes: NDArray[np.float32]) -> NDArray[np.float64]:
        """Codes (N, E) of volumes (N, X, Y, Z)."""
        parts = torch.split(torch.from_numpy(volumes)[:, None], self.batch_size)
        codes = torch.cat([self.model.encode(each) for each in parts]).double().cpu().numpy()
        return np.asarray(codes)


def _ends(rows: pd.DataFrame) -> list[int] | None:
    """Positions of the first and last session and the one between nearest half-way, if any.

    None where there are no two at different times.
    """
    triplets = all_triplets(rows)
    if len(triplets):
        off = (triplets["fraction"] - 0.5).abs()
        best = triplets.assign(off=off).sort_values(
            ["gap_months", "off"], ascending=[False, True], kind="stable"
        )
        return [int(best[place].iloc[0]) for place in PLACES]
    months = rows["months"].tolist()
    return [0, len(months) - 1] if months[-1] > months[0] else None


def _repeated(one: Tensor, count: int) -> Tensor:
    """`one` of (1, ...) as (count, ...)."""
    return one.expand(count, *one.shape[1:])


def _prefix(row: Any) -> str:
    return f"{row['participant_id']}/{row['session_id']}"
