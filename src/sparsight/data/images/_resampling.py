"""A picture on a grid of another size, by one of several kernels."""

from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Float32
from PIL import Image

from sparsight.data.images._frequency_selective import frequency_selective

Resampling = Literal["area", "nearest", "bilinear", "bicubic", "lanczos", "fsmr"]

RESAMPLINGS: tuple[Resampling, ...] = get_args(Resampling)

FILTERS = {
    "area": Image.Resampling.BOX,
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def resampled(
    picture: Float[np.ndarray, "height width channels"], size: tuple[int, int], resampling: Resampling
) -> Float32[np.ndarray, "new_height new_width channels"]:
    """Return a picture of another size, float32. Corners stay corners, and every channel is for itself.

    Parameters
    ----------
    picture : numpy.ndarray of float, (height, width, channels)
    size : (int, int)
        New height and width. A picture of this size is returned unchanged.
    resampling : {"area", "nearest", "bilinear", "bicubic", "lanczos", "fsmr"}
        The mean over the old pixels in a new one; the pixel in its middle; a triangle, Keys' cubic (a = −½)
        and a sinc cut at 3, each as much wider as the picture becomes smaller, so that they smooth before
        they sample; and `frequency_selective`. "nearest" and "fsmr" do not smooth. Cubic, sinc and "fsmr"
        may leave the range of the picture.
    """
    if picture.shape[:2] == size:
        return picture.astype(np.float32)
    if resampling == "fsmr":
        positions = [
            (np.arange(new) + 0.5) * old / new - 0.5 for new, old in zip(size, picture.shape[:2], strict=True)
        ]
        planes = [frequency_selective(plane, *positions) for plane in np.moveaxis(picture, 2, 0)]
        return np.stack(planes, axis=2).astype(np.float32)
    height, width = size
    channels = [
        np.asarray(Image.fromarray(plane).resize((width, height), FILTERS[resampling]))
        for plane in np.moveaxis(picture.astype(np.float32), 2, 0)
    ]
    return np.stack(channels, axis=2)
