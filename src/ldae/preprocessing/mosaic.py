"""The picture by which a person judges one scan."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from scipy import ndimage

from ldae.config import Grid
from ldae.preprocessing.grid import template_on_grid
from ldae.preprocessing.images import Image, Mask, coarsen
from ldae.runtime import atomic_path

SLICES = 6  # per plane
TILE = 144  # pixels
NATIVE_MM = 1.5  # finer voxels would not show
COMPRESSION = 3  # a third of the default's time, a tenth more bytes
WHITE, RED, GREEN = 253, 254, 255  # in the palette, whose first colours are shades of grey
PALETTE = [round(255 * shade / WHITE) for shade in range(WHITE + 1) for _ in "rgb"]
PALETTE += [255, 51, 51, 51, 255, 102]

Picture = NDArray[np.float32]


def draw_mosaic(head: Image, mask: Image, volume: Image, settings: Grid, *, path: Path) -> None:
    """Three planes of the head, brain outlined in red, and of the volume, template in green.

    The person's left is on the left; anterior and superior are right or up.
    """
    coarse, outline = coarsen(head, NATIVE_MM), coarsen(mask, NATIVE_MM).data > 0.5
    _, template_mask = template_on_grid(settings)
    rows = [_row(coarse, outline, axis, RED) for axis in range(3)]
    rows += [_row(volume, template_mask, axis, GREEN) for axis in range(3)]
    picture = Pillow.fromarray(np.concatenate(rows), mode="P")
    picture.putpalette(PALETTE)
    with atomic_path(path) as temporary:
        picture.save(temporary, format="png", compress_level=COMPRESSION)


def _row(image: Image, mask: Mask, axis: int, colour: int) -> NDArray[np.uint8]:
    """Slices across the mask along one axis, evenly spaced, side by side."""
    others = [other for other in range(3) if other != axis]
    found = np.flatnonzero(mask.any(axis=tuple(others)))
    places = np.linspace(found[0], found[-1], SLICES + 2)[1:-1].round().astype(int)
    bright = float(np.percentile(image.data[mask], 99.5))
    shades = np.clip(image.data / max(bright, 1e-6), 0, 1)
    pixel_mm = max(np.multiply(image.data.shape, image.spacing)) / TILE
    zoom = image.spacing[others] / pixel_mm
    tiles = []
    for place in places:
        grey = _enlarge(shades.take(place, axis), zoom)
        inside = _enlarge(mask.take(place, axis).astype(np.float32), zoom) > 0.5
        picture = (grey * WHITE).round().astype(np.uint8)
        picture[inside & ~ndimage.binary_erosion(inside)] = colour
        tiles.append(picture.T[::-1])
    return np.concatenate(tiles, axis=1)


def _enlarge(plane: Picture, zoom: NDArray[np.floating[Any]]) -> Picture:
    """The plane in the middle of a square of pixels."""
    first = (np.array(plane.shape) - 1) / 2 - (TILE - 1) / 2 / zoom
    square = ndimage.affine_transform(
        plane, np.diag(1 / zoom), first, output_shape=(TILE, TILE), order=1
    )
    return np.asarray(square, dtype=np.float32)
