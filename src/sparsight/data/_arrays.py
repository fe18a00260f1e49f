"""Tasks made of arrays in memory: how a shape is read, and inputs of any number type."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sparsight.arguments import described
from sparsight.data._given_labels import numbered_labels
from sparsight.data._task import Task
from sparsight.data.images._standardise import exact_floats, image_task
from sparsight.errors import InputError
from sparsight.geometry import Geometry

_LARGEST_ROUNDING = 0.01
"""In standard deviations: what float32 may round away of values that are used as they are."""

_USUAL_CHANNELS = 4
"""Grey, colour, or colour with depth or opacity."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a user said about the axes of inputs; see `Task.from_arrays`."""

    geometry: Geometry | None = None
    channels: int | None = None
    wraps: bool = False
    channels_last: bool = False

    def __post_init__(self) -> None:
        if self.geometry is None:
            if self.channels is not None and self.channels < 1:
                raise InputError(f"channels is {self.channels}; it must be at least 1")
            return
        if not isinstance(self.geometry, Geometry):
            raise InputError(f"geometry is {described(self.geometry)}; a sparsight.Geometry is needed")
        if self.channels not in (None, self.geometry.channels) or (self.wraps and not self.geometry.wraps):
            raise InputError(
                f"channels={self.channels} and wraps={self.wraps} contradict {self.geometry}; with geometry, "
                "leave both out"
            )


def task_from_arrays(
    train: tuple[Any, Any],
    test: tuple[Any, Any],
    reading: Reading,
    standardise: str,
    name: str,
) -> Task:
    """Return the task of (inputs, labels) for training and testing; see `Task.from_arrays`."""
    if standardise not in ("channel", "none"):
        raise InputError(f"standardise is {standardise!r:.80}; 'channel' or 'none' is allowed")
    raw = {"inputs": _real_array(train[0], "inputs"), "test_inputs": _real_array(test[0], "test_inputs")}
    shape, other = raw["inputs"].shape, raw["test_inputs"].shape
    if other[1:] != shape[1:]:
        raise InputError(
            f"test_inputs have shape {other} and inputs {shape}; all axes but the first must be equal"
        )
    geometry = geometry_of(shape, reading)
    inputs = {key: channels_first(values, geometry, reading) for key, values in raw.items()}
    labels, label_map = numbered_labels(train[1], test[1], (shape[0], other[0]))
    card = {
        "source": "arrays in memory",
        "licence": "the user's own",
        "dtype": str(raw["inputs"].dtype),
        "standardise": standardise,
        "classes": list(label_map),
        "label_map": label_map,
    }
    if standardise == "channel":
        same_kind = all(values.dtype == np.uint8 for values in inputs.values())
        train_inputs, test_inputs = (
            _own(values) if same_kind else exact_floats(values) for values in inputs.values()
        )
        return image_task(
            name=name,
            geometry=geometry,
            num_classes=len(label_map),
            train=(train_inputs, labels[0]),
            test=(test_inputs, labels[1]),
            card=card,
        )
    return Task(
        name=name,
        geometry=geometry,
        num_classes=len(label_map),
        train_inputs=_float32(inputs["inputs"], "inputs"),
        train_labels=labels[0],
        test_inputs=_float32(inputs["test_inputs"], "test_inputs"),
        test_labels=labels[1],
        card=card,
    )


def _real_array(values: Any, argument: str) -> np.ndarray:
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        values = values.float() if values.dtype == torch.bfloat16 else values  # numpy has no bfloat16
        values = values.numpy()
    elif not isinstance(values, np.ndarray) and hasattr(values, "__array__"):
        values = np.asarray(values)
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "biuf" or values.ndim < 2:
        raise InputError(
            f"{argument} are {described(values)}; a numpy array or a tensor of real numbers with axes "
            "(n, …) is needed"
        )
    if not values.size:
        raise InputError(
            f"{argument} have shape {values.shape}; at least one sample and one value are needed"
        )
    return values


def _float32(values: np.ndarray, argument: str) -> np.ndarray:
    """Return values as float32, or raise an error if that would round away how they differ."""
    with np.errstate(over="ignore"):  # values beyond float32 become infinite, which `Task` refuses
        rounded = values.astype(np.float32)
    if not np.can_cast(values.dtype, np.float32) and np.isfinite(rounded).all():
        exact = values.astype(np.float64)
        lost = np.abs(rounded - exact).max()
        if lost > _LARGEST_ROUNDING * exact.std():
            raise InputError(
                f"{argument} vary by {exact.std():.3g} around {exact.mean():.3g}, and float32 would round "
                f"them by up to {lost:.3g}: subtract the offset, or give standardise='channel', which does "
                "so first"
            )
    return rounded


def _own(values: np.ndarray) -> np.ndarray:
    """Return a copy, so that the task does not change with the user's array, unless that is read-only."""
    return values.copy() if values.flags.writeable else values  # a file mapped with mode "r" stays on disk


def geometry_of(shape: tuple[int, ...], reading: Reading) -> Geometry:
    """Return the geometry of inputs of a shape, or raise an error that names the possible readings."""
    if reading.geometry is not None:
        return reading.geometry
    found = f"inputs have shape {shape}"
    if len(shape) == 2:
        if reading.channels == 1:
            return Geometry(1, shape[1:], reading.wraps)
        raise InputError(
            f"{found}: rows of {shape[1]} values say nothing about positions; give "
            f"geometry=Geometry(channels, (height, width)), or channels=1 for a line of {shape[1]} pixels"
        )
    if len(shape) == 3:
        return _line_or_picture(shape, reading)
    if len(shape) > 4:
        raise InputError(f"{found}; (n, channels, height, width) has the most axes that are allowed")
    channels_axis, other_axis = (3, 1) if reading.channels_last else (1, 3)
    # Pictures of up to four channels are common; more may be the height of pictures with channels last.
    most = min(shape[other_axis], _USUAL_CHANNELS)
    if reading.channels is None and shape[channels_axis] > most:
        raise InputError(
            f"{found}, which is {_pictures(shape, 1)} with channels_last=False and {_pictures(shape, 3)} "
            f"with channels_last=True; set channels_last={not reading.channels_last}, or "
            f"channels={shape[channels_axis]} if the channels are on axis {channels_axis}"
        )
    _check_channels(shape, channels_axis, reading)
    return Geometry(
        shape[channels_axis],
        shape[1:3] if reading.channels_last else shape[2:],
        reading.wraps,
    )


def _line_or_picture(shape: tuple[int, ...], reading: Reading) -> Geometry:
    """Return the geometry of three axes: lines with channels, or grey pictures."""
    channels_axis, length_axis = (2, 1) if reading.channels_last else (1, 2)
    channels = reading.channels
    if channels == 1 and shape[channels_axis] > 1:
        return Geometry(1, shape[1:], reading.wraps)
    if channels is None and shape[channels_axis] > 1:
        raise InputError(
            f"inputs have shape {shape}: grey pictures of {shape[1]} × {shape[2]} with channels=1, or lines "
            f"of {shape[length_axis]} pixels with {shape[channels_axis]} channels with "
            f"channels={shape[channels_axis]}; say which"
        )
    _check_channels(shape, channels_axis, reading)
    return Geometry(shape[channels_axis], (shape[length_axis],), reading.wraps)


def _check_channels(shape: tuple[int, ...], axis: int, reading: Reading) -> None:
    if reading.channels in (None, shape[axis]):
        return
    other = 1 if reading.channels_last else len(shape) - 1
    mend = (
        f"set channels_last={not reading.channels_last}"
        if shape[other] == reading.channels
        else "move the channels there, or leave channels out"
    )
    raise InputError(
        f"channels is {reading.channels}, but inputs of shape {shape} have {shape[axis]} on axis {axis}, "
        f"where channels_last={reading.channels_last} expects them; {mend}"
    )


def _pictures(shape: tuple[int, ...], channels_axis: int) -> str:
    height, width = (extent for axis, extent in enumerate(shape) if axis not in (0, channels_axis))
    return f"{shape[channels_axis]} channels of {height} × {width}"


def channels_first(values: np.ndarray, geometry: Geometry, reading: Reading) -> np.ndarray:
    """Return inputs as (n, channels, *size), or raise an error that lists the shapes that fit."""
    num_samples = len(values)
    last = (*geometry.size, geometry.channels)
    if reading.channels_last and values.shape[1:] == last:
        return np.ascontiguousarray(np.moveaxis(values, -1, 1))
    fits = {geometry.shape, (geometry.num_inputs,)}
    if geometry.channels == 1:
        fits.add(geometry.size)
    if values.shape[1:] not in fits:
        shapes = ", ".join(f"(n, {', '.join(map(str, shape))})" for shape in sorted(fits, key=len))
        raise InputError(
            f"inputs have shape {values.shape}; {geometry} needs {shapes}, or (n, "
            f"{', '.join(map(str, last))}) with channels_last=True"
        )
    return np.ascontiguousarray(values).reshape(num_samples, *geometry.shape)
