"""A run's models for one scan at a time: NumPy arrays in, NumPy arrays out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldae.data.volumes import save_volume
from ldae.diffusion.interpolation import lerp, slerp
from ldae.errors import UserError
from ldae.metrics.directions import move
from ldae.models.ldae import LatentDiffusionAutoencoder
from ldae.models.together import together
from ldae.preprocessing.alone import preprocess_image
from ldae.pretrained.answers import Answers
from ldae.pretrained.contract import CONTRACT, REMAKE, Contract
from ldae.pretrained.look import look_at
from ldae.pretrained.scan import Reader, Scan, Volume
from ldae.pretrained.shift import Shift
from ldae.pretrained.steps import Steps
from ldae.runtime import seeded_generator

Array = NDArray[np.float32]
Direction = Literal["ad_vs_cn", "age"]
Given = Scan | Volume | str | Path


class Model:
    """Everything that the models of a run do with a scan.

    Where a scan is asked for, its file's path will do, or a volume (X, Y, Z) in memory, as these
    methods return them.
    Volumes are float32 in [0, 1] on `shape` voxels in RAS+. Results are the workflow's.

    Attributes:
        shape: (X, Y, Z), voxels.
        spacing_mm: of the voxels.
        latent_shape: (C, X, Y, Z) of z_0 and z_T.
        embedding_dim: E, the length of a semantic code.
        contract: what scans are held to; None: the weights came without one.
    """

    def __init__(
        self,
        networks: LatentDiffusionAutoencoder,
        contract: Contract | None,
        answers: Answers,
        *,
        folder: Path,
    ) -> None:
        self.networks = networks
        self.contract = contract
        self.folder = folder
        self.shape = networks.volume_shape
        self.spacing_mm = networks.spacing_mm
        self.latent_shape = networks.latent_shape
        self.embedding_dim = networks.embedding_dim
        self._answers = answers
        self._reader = Reader(
            self.shape, self.spacing_mm, None if contract is None else contract.scan
        )
        self._steps = Steps(networks)

    def read(self, path: str | Path) -> Scan:
        """The preprocessed scan in a NIfTI file.

        Raises:
            Violation: it is not what the models read; says in what, and how to preprocess it.
        """
        return self._reader.read(Path(path))

    def preprocess(self, image: str | Path, *, output: str | Path) -> Scan:
        """A raw T1-weighted head (NIfTI), preprocessed as the training scans were.

        `output` becomes a derivative dataset, with mask, transforms, figures and picture; what
        stands there from the same image is kept.

        Raises:
            UserError: the image cannot be preprocessed, or came out beyond a threshold of quality.
        """
        wanted = self._contract("to preprocess as the training scans were").scan
        outputs = preprocess_image(
            Path(image),
            output=Path(output),
            network=None,
            threads=1,
            preprocessing=wanted.preprocessing,
            quality=wanted.quality,
        )
        return self.read(outputs.volume)

    def encode(self, scan: Given) -> Array:
        """The semantic code y_sem (E,)."""
        return _array(self.networks.encode(self._x(scan))[0])

    def compress(self, scan: Given) -> Array:
        """The latent z_0 (C, X, Y, Z): the autoencoder's posterior mean, scaled."""
        return _array(self.networks.to_latent(self._x(scan))[0])

    def decompress(self, z_0: NDArray[Any]) -> Array:
        """The volume (X, Y, Z) of a latent: the autoencoder alone."""
        volume: Array = self._volumes(torch.from_numpy(np.asarray(z_0, np.float32))[None])[0]
        return volume

    def invert(self, scan: Given, y: NDArray[Any] | None = None, *, steps: int = 50) -> Array:
        """The noise z_T (C, X, Y, Z) that gives the scan back: DDIM inversion in `steps`.

        `y` is the code it is inverted with; the scan's own if not given.
        """
        x = self._x(scan)
        code = self.networks.encode(x) if y is None else self._y(y)
        with self._steps.counted("inversion", steps):
            return _array(self.networks.invert(self.networks.to_latent(x), code, steps=steps)[0])

    def decode(self, y: NDArray[Any], z_T: NDArray[Any], *, steps: int = 50) -> Array:
        """The volume (X, Y, Z) of a semantic code (E,) and noise z_T (C, X, Y, Z)."""
        noise = torch.from_numpy(np.asarray(z_T, np.float32))[None]
        volume: Array = self._sampled(noise, self._y(y), steps=steps)[0]
        return volume

    def reconstruct(self, scan: Given, *, steps: int = 50) -> Array:
        """The volume (X, Y, Z) of the scan's own y_sem and z_T, `steps` each way."""
        y = self.encode(scan)
        return self.decode(y, self.invert(scan, y, steps=steps), steps=steps)

    def manipulate(
        self,
        scan: Given,
        *,
        toward: Direction,
        strengths: Sequence[float],
        steps: int = 50,
    ) -> Array:
        """Volumes (N, X, Y, Z), the code moved by N strengths along a probe's direction, z_T kept.

        Strengths are in units of sqrt(E) standard deviations of the training codes; `toward` is
        `ad_vs_cn` (positive: towards AD) or `age` (towards old age).
        """
        if not len(strengths):
            raise UserError("manipulate: give at least one strength")
        probe, scale = self._answers.probe(toward), self._answers.probe("ad_vs_cn")
        code = self.encode(scan)[None]
        z_T = torch.from_numpy(self.invert(scan, code[0], steps=steps))[None]
        exact, direction = code.astype(np.float64), probe.direction()
        moved = np.concatenate([move(exact, direction, each, scale) for each in strengths])
        y = torch.from_numpy(moved).to(torch.float32)
        return self._sampled(z_T.expand(len(y), -1, -1, -1, -1), y, steps=steps)

    def interpolate(
        self, first: Given, second: Given, *, fraction: float = 0.5, steps: int = 50
    ) -> Array:
        """The volume (X, Y, Z) between two scans, at a `fraction` of the way from the first.

        Straight between the semantic codes, along the sphere between the noises.
        """
        volume: Array = self.between(first, second, fractions=[fraction], steps=steps)[0]
        return volume

    def between(
        self, first: Given, second: Given, *, fractions: Sequence[float], steps: int = 50
    ) -> Array:
        """As `interpolate`, volumes (N, X, Y, Z) at N fractions; each scan is inverted once."""
        if not len(fractions):
            raise UserError("between: give at least one fraction")
        codes = [self.encode(scan) for scan in (first, second)]
        (y_1, y_2) = (torch.from_numpy(y)[None] for y in codes)
        (z_1, z_2) = (
            torch.from_numpy(self.invert(scan, y, steps=steps))[None]
            for scan, y in zip((first, second), codes, strict=True)
        )
        z_T = torch.cat([slerp(z_1, z_2, each) for each in fractions])
        y = torch.cat([lerp(y_1, y_2, each) for each in fractions])
        return self._sampled(z_T, y, steps=steps)

    def vary(self, scan: Given, *, samples: int = 4, steps: int = 50, seed: int = 0) -> Array:
        """Volumes (N, X, Y, Z) of the scan's y_sem and N random z_T: what the code leaves open."""
        y = torch.from_numpy(self.encode(scan))[None]
        return self._sampled(self._noise(samples, seed, "variation"), y, steps=steps)

    def sample(self, *, count: int = 4, steps: int = 50, seed: int = 0) -> Array:
        """Volumes (N, X, Y, Z) from noise by the diffusion model alone: of nobody."""
        return self._sampled(self._noise(count, seed, "generation"), None, steps=steps)

    def predict(self, scan: Given) -> dict[str, float]:
        """What the run's linear probes read from y_sem.

        `ad_vs_cn` is the probability of AD (against CN), `age` in years; what the run had too few
        subjects to fit is left out.
        """
        return self._answers.predict(self.encode(scan))

    def shift(self, scan: Given) -> Shift:
        """How unlike the training scans: score 0 … 1 (above 0.99: unlike), distance, reasons."""
        training = self._contract("of how usual scans look").training
        if training is None:
            raise UserError(f"{self.folder}: trained on too few subjects to say what is usual")
        volume = self._volume(scan)
        return training.judge(look_at(volume), self.encode(volume))

    def save(self, volume: Volume, path: str | Path, *, like: Scan | None = None) -> None:
        """Write a volume (X, Y, Z) as NIfTI (float32), in the place of `like` or the models' grid.

        Raises:
            UserError: it has another shape, or there is no contract to tell the place.
        """
        values = np.asarray(volume, np.float32)
        if values.shape != self.shape:
            raise UserError(f"{path}: a volume of {values.shape} voxels, not of {self.shape}")
        affine = self.affine if like is None else like.affine
        # Without a contract nobody checked that the scan lies in the template's space.
        space: Literal["mni", "aligned"] = "mni" if self.contract else "aligned"
        save_volume(Path(path), values, affine, space=space)

    @property
    def affine(self) -> NDArray[np.float64]:
        """(4, 4), voxels to mm of the template's space."""
        return np.array(self._contract("of the grid's place; give `like=`").scan.affine)

    def _contract(self, what: str) -> Contract:
        if self.contract is None:
            raise UserError(f"{self.folder}: no {CONTRACT} {what}; {REMAKE}")
        return self.contract

    def _x(self, scan: Given) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(self._volume(scan)))[None, None]

    def _volume(self, scan: Given) -> Volume:
        if isinstance(scan, str | Path):
            scan = self.read(scan)
        return self._reader.check(scan.volume if isinstance(scan, Scan) else scan)

    def _y(self, y: NDArray[Any]) -> Tensor:
        code = np.asarray(y, np.float32)
        if code.shape != (self.embedding_dim,):
            raise UserError(f"a code of shape {code.shape}, not ({self.embedding_dim},)")
        return torch.from_numpy(code)[None]

    def _noise(self, count: int, seed: int, purpose: str) -> Tensor:
        if count < 1:
            raise UserError(f"{count} samples: at least one is needed")
        generators = [seeded_generator(seed, purpose, number) for number in range(count)]
        return torch.stack([torch.randn(self.latent_shape, generator=g) for g in generators])

    def _sampled(self, z_T: Tensor, y: Tensor | None, *, steps: int) -> Array:
        """Volumes of z_T (N, ...) and codes (N, E), (1, E) for all or none; some at a time."""
        size = together(self.shape)
        codes = None if y is None else y.expand(len(z_T), -1)
        parts = []
        batches = -(-len(z_T) // size)
        with self._steps.counted("sampling", steps, runs=batches):
            for start in range(0, len(z_T), size):
                part = slice(start, start + size)
                code = None if codes is None else codes[part]
                parts.append(self._volumes(self.networks.sample(z_T[part], code, steps=steps)))
        return np.concatenate(parts)

    def _volumes(self, z_0: Tensor) -> Array:
        return _array(self.networks.to_volume(z_0).clamp(0, 1)[:, 0])


def _array(tensor: Tensor) -> Array:
    return tensor.float().cpu().numpy()
