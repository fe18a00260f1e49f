"""Movies: the weights, masks or cavity effects of a layer's units over the levels.

Frames are painted and encoded here rather than by `matplotlib.animation`, whose Pillow writer cannot write
lossless WebP: it passes no options on. In a movie of 1024 units with 3072 inputs each, 99 % of the pixels
were wrong, by 47 grey levels on average. Its GIFs were neither smaller nor written faster, and its ffmpeg
writer leaves a partial file under the final name when it fails. tests/report/test_movie.py compares the
pixels of every frame with the stored weights.
"""

import io
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from sparsight.atomic import write_atomically
from sparsight.errors import InputError
from sparsight.figures import evenly_spaced, field_colours, field_key, mosaic
from sparsight.geometry import Geometry
from sparsight.report._level_views import LevelView, level_views, order_of_units
from sparsight.store import Run

What = Literal["weights", "masks", "cavity"]
_SUFFIXES = (".gif", ".webp", ".mp4")
_WIDTH = 640  # approximate width of a frame's pictures, in pixels
_ROW = 4  # height of a heat row, in pixels
_BAND = 62  # height of the words above the pictures, in pixels
_BACKGROUND, _INK, _MUTED, _BAR = (255, 255, 255), (31, 35, 40), (208, 212, 218), (0, 114, 178)
_REST = 4  # frames for which the last level stands still


def write_movie(
    run: Run,
    path: str | Path,
    *,
    condition: str | None = None,
    replicate: int = 0,
    layer: str | None = None,
    what: What = "weights",
    num_units: int = 100,
    frames_per_second: float = 2.0,
) -> Path:
    """Write an animation of one layer's units over the levels, one frame per level.

    Parameters
    ----------
    run : Run
        Run with at least one level.
    path : str or Path
        File to write; it ends in ``.gif``, ``.webp`` or, if the program ffmpeg is installed, ``.mp4``.
    condition : str, optional
        Default: the first of the recipe.
    replicate : int
        Number of the replicate, from 0.
    layer : str, optional
        Default: the first that was measured.
    what : {"weights", "masks", "cavity"}
        What the colours show.
    num_units : int
        Largest number of units to show, evenly spaced in the order of attained share (or fan-in) at the last
        level.
    frames_per_second : float
        Levels per second.

    Returns
    -------
    Path
        `path`; the file is written in one step, or not at all.

    Raises
    ------
    InputError
        If an argument is wrong, a level or the cavity effect is missing, or ffmpeg is needed but missing.
    """
    path = Path(path)
    if path.suffix not in _SUFFIXES:
        raise InputError(f"{path} ends in {path.suffix!r}; {', '.join(_SUFFIXES)} are allowed")
    if not 0 < frames_per_second <= 60:
        raise InputError(f"frames_per_second is {frames_per_second}; more than 0, at most 60 are allowed")
    encoder = shutil.which("ffmpeg")
    if path.suffix == ".mp4" and encoder is None:
        raise InputError(
            "an .mp4 needs the program ffmpeg, which is not installed; install it, or write a .gif"
        )
    pictures = list(
        frames(run, condition=condition, replicate=replicate, layer=layer, what=what, num_units=num_units)
    )
    pictures += pictures[-1:] * (_REST - 1)
    try:
        if path.suffix == ".mp4":
            assert encoder is not None
            movie = _encoded(encoder, pictures, path, frames_per_second)
        else:
            movie = _animation(pictures, path.suffix.removeprefix("."), frames_per_second)
        write_atomically(path, movie, inside=run.path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        raise InputError(f"{path} cannot be written: {error.strerror}; choose another --out") from None
    return path


def frames(
    run: Run,
    *,
    condition: str | None = None,
    replicate: int = 0,
    layer: str | None = None,
    what: What = "weights",
    num_units: int = 100,
) -> Iterator[UInt8[np.ndarray, "high wide 3"]]:
    """Yield the frame of every level; arguments as in `write_movie`.

    Every unit keeps its place. A layer that reads the network's input is drawn in its geometry: a mosaic in
    two dimensions, heat rows in one; a deeper layer is drawn as heat rows.
    """
    condition, layer = _checked(
        run, condition=condition, replicate=replicate, layer=layer, what=what, num_units=num_units
    )
    geometry = run.geometry(condition, replicate)
    views = list(_views(run, condition, replicate, layer, what))
    if views[0][1].shape[1] != geometry.num_inputs:
        geometry = Geometry(1, (views[0][1].shape[1],))
    order, _ = order_of_units(views[-1][0])
    units = order[evenly_spaced(len(order), num_units)]
    shown = "cavity effect Δκ of each weight" if what == "cavity" else what
    for view, values in views:
        words = [
            f"{run.recipe.name}, {condition}, replicate {replicate}, {layer}: {shown}",
            f"level {view.index}, density {100 * view.density:.3g} %, test accuracy {view.accuracy:.3f}",
            _key(what, geometry),
        ]
        yield _frame(mosaic(field_colours(values[units], geometry)), words, view.density)


def _key(what: What, geometry: Geometry) -> str:
    if what == "masks":
        return "white: kept; black: pruned"
    return field_key(geometry)


def _checked(
    run: Run, *, condition: str | None, replicate: int, layer: str | None, what: str, num_units: int
) -> tuple[str, str]:
    """Return the condition and the layer to show, or raise an `InputError` about the wrong argument."""
    names = run.recipe.condition_names()
    condition = condition or names[0]
    if condition not in names:
        raise InputError(f"condition is {condition!r}; there are {', '.join(names)}")
    if not 0 <= replicate < run.recipe.replicates:
        raise InputError(f"replicate is {replicate}; there are 0 … {run.recipe.replicates - 1}")
    layers = run.layers()
    if not run.directory.num_levels(condition, replicate) or not layers:
        raise InputError(f"{run.path}: {condition}, replicate {replicate} has no level yet; run it first")
    if layer is not None and layer not in layers:
        raise InputError(f"layer is {layer!r}; there are {', '.join(layers)}")
    if what not in get_args(What):
        raise InputError(f"what is {what!r}; {', '.join(get_args(What))} are allowed")
    if num_units < 1:
        raise InputError(f"num_units is {num_units}; at least 1 is needed")
    return condition, layer or layers[0]


def _views(
    run: Run, condition: str, replicate: int, layer: str, what: What
) -> Iterator[tuple[LevelView, np.ndarray]]:
    for view in level_views(run, condition, replicate, layer):
        if what == "weights":
            yield view, view.weight
        elif what == "masks":
            yield view, view.mask
        else:
            quantity = view.quantities.get("cavity.delta_kurtosis")
            if quantity is None:
                raise InputError(
                    "the cavity effect was not measured; to add it, run "
                    f"`sparsight measure {run.path} --instruments cavity`"
                )
            yield view, np.nan_to_num(np.asarray(quantity.value, np.float32))


def _frame(picture: np.ndarray, words: Sequence[str], density: float) -> UInt8[np.ndarray, "high wide 3"]:
    """Return a frame: words, a bar as long as the density, and the picture enlarged by a whole factor."""
    zoom = max(1, round(_WIDTH / picture.shape[1]))
    is_rows = (picture[..., 3] == 255).all()  # only heat rows have no transparent gaps
    tall = _ROW if is_rows else zoom
    enlarged = picture.repeat(tall, axis=0).repeat(zoom, axis=1)
    wide = max(enlarged.shape[1], _WIDTH)
    high = _BAND + enlarged.shape[0]
    image = Image.new("RGB", (wide + wide % 2, high + high % 2), _BACKGROUND)  # H.264 needs even sides
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(14)
    for place, line in enumerate(words):
        draw.text((2, 1 + 17 * place), line, _INK, font=font)
    draw.rectangle((0, _BAND - 6, wide - 1, _BAND - 4), _MUTED)
    draw.rectangle((0, _BAND - 6, max(0, round(density * wide) - 1), _BAND - 4), _BAR)
    shown = Image.fromarray(enlarged)
    image.paste(shown, (0, _BAND), shown)
    return np.asarray(image)


def _animation(pictures: Sequence[np.ndarray], kind: str, frames_per_second: float) -> bytes:
    """Return the pictures as an endless GIF or WebP."""
    images = [Image.fromarray(picture) for picture in pictures]
    if kind == "gif":  # a palette for each frame, and no dither: one weight is one colour
        images = [
            image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE) for image in images
        ]
    file = io.BytesIO()
    options = {"lossless": True} if kind == "webp" else {"optimize": False}
    images[0].save(
        file,
        format=kind,
        save_all=True,
        append_images=images[1:],
        duration=round(1000 / frames_per_second),
        loop=0,
        **options,
    )
    return file.getvalue()


def _encoded(encoder: str, pictures: Sequence[np.ndarray], path: Path, frames_per_second: float) -> bytes:
    """Return the pictures as an MP4 made by ffmpeg; `path` is named in the error if that fails."""
    high, wide = pictures[0].shape[:2]
    data = b"".join(np.ascontiguousarray(picture).tobytes() for picture in pictures)
    # MP4 cannot be streamed: its index is written into the beginning once all frames are known.
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "movie.mp4"
        command = [encoder, "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]
        command += ["-s", f"{wide}x{high}", "-r", str(frames_per_second), "-i", "-"]
        command += ["-r", "30", "-pix_fmt", "yuv420p", "-crf", "16", str(whole)]
        answer = subprocess.run(command, input=data, capture_output=True, check=False)
        if answer.returncode:
            reason = answer.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise InputError(f"ffmpeg could not write {path}: {' '.join(reason)}")
        return whole.read_bytes()
