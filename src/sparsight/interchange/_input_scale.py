"""The scale of a network's inputs: how raw values become those that it was trained on."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsight.arguments import described
from sparsight.errors import InputError
from sparsight.interchange._hub_config import CONFIG, read_config
from sparsight.interchange._state_files import read_facts


@dataclass(frozen=True, kw_only=True)
class InputScale:
    """How raw inputs become what a network was trained on.

    Attributes
    ----------
    shape : tuple of int
        Channels, then height and width, or length; the network takes them flattened in this order.
    channel_mean, channel_sd : tuple of float or None, (channels,)
        Subtracted from and divided into the raw values of each channel, in units of these. None if there is
        no such standardisation, or none is known; `note` then says what the network was trained on.
    note : str
        What the raw values are, in words.
    """

    shape: tuple[int, ...]
    channel_mean: tuple[float, ...] | None
    channel_sd: tuple[float, ...] | None
    note: str

    def __call__(self, raw: np.ndarray | Tensor) -> Tensor:
        """Return raw inputs as the network takes them: float32, (n, num_inputs).

        Parameters
        ----------
        raw : array or Tensor of real numbers, (n, *shape) or (n, num_inputs)
            In the units that the training data had: 0 … 255 if these were bytes.

        Raises
        ------
        InputError
            If the shape differs, or no standardisation is known.
        """
        if self.channel_mean is None or self.channel_sd is None:
            raise InputError(f"no standardisation is known for this network: {self.note}")
        values = torch.as_tensor(raw)
        num_inputs = math.prod(self.shape)
        if values.shape[1:] not in (self.shape, (num_inputs,)):
            raise InputError(
                f"raw is {described(raw)}; (n, {', '.join(map(str, self.shape))}) or (n, {num_inputs}) is "
                "needed"
            )
        channels = values.reshape(len(values), self.shape[0], -1).double()
        mean, sd = (
            torch.tensor(each, dtype=torch.float64)[:, None] for each in (self.channel_mean, self.channel_sd)
        )
        return ((channels - mean) / sd).reshape(len(values), num_inputs).float()

    def facts(self) -> dict[str, Any]:
        """Return the attributes as plain values, for JSON."""
        return {
            "shape": list(self.shape),
            "channel_mean": None if self.channel_mean is None else list(self.channel_mean),
            "channel_sd": None if self.channel_sd is None else list(self.channel_sd),
            "note": self.note,
        }

    @classmethod
    def from_facts(cls, facts: Any, origin: str) -> "InputScale":
        """Return the scale of what `facts` returned; `origin` is for messages.

        Raises
        ------
        InputError
            If something is missing or does not fit.
        """
        try:
            shape = tuple(int(extent) for extent in facts["shape"])
            mean, sd = (_numbers(facts[key], shape[0]) for key in ("channel_mean", "channel_sd"))
            scale = cls(shape=shape, channel_mean=mean, channel_sd=sd, note=str(facts["note"]))
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            raise InputError(
                f"{origin} does not say on which scale its network takes inputs "
                f"({type(error).__name__}: {error!s:.80}): export it again with this version"
            ) from None
        return scale


def scale_of_task(facts: Mapping[str, Any]) -> InputScale:
    """Return the scale of a replicate's inputs from what its ``task.json`` records."""
    geometry, card = facts["geometry"], facts["card"]
    mean, sd = card.get("channel_mean"), card.get("channel_sd")
    name = facts["name"]
    if mean is None or sd is None:
        note = (
            f"it was trained on values as the data source of the task {name!r} makes them, without a "
            "standardisation per channel"
        )
        if card.get("standardise") not in (None, "none"):
            note += f" (standardise = {card['standardise']!r})"
    else:
        note = f"raw values of the task {name!r}, standardised per channel with training statistics"
        if "clone" in card:
            note += f"; it was trained on their clone {card['clone']!r}"
    return InputScale(
        shape=(int(geometry["channels"]), *map(int, geometry["size"])),
        channel_mean=None if mean is None or sd is None else tuple(map(float, mean)),
        channel_sd=None if mean is None or sd is None else tuple(map(float, sd)),
        note=note,
    )


def scale_in_words(mean: Tensor, variance: Tensor) -> str:
    """Say which usual scale of pictures the moments of a network's inputs fit.

    A value in [0, a] with mean m has a variance of at most m (a − m), so moments beyond that exclude the
    scale. What they do not exclude need not be true.

    Parameters
    ----------
    mean, variance : Tensor, (num_inputs,)
        Of each input, such as the running statistics of a BatchNorm on it.
    """
    m, v = mean.double().numpy(), variance.double().numpy()
    sd = float(np.sqrt(v.mean() + m.var()))
    moments = f"input means {m.min():.3g} to {m.max():.3g}, sd over all inputs {sd:.3g}"
    slack = 1.05
    if abs(m.mean()) < 0.3 * sd:
        if 0.5 < sd < 2:
            scale = "standardised values (mean 0, sd 1)"
        elif sd <= 0.5:
            scale = "pixels from 0 to 1 with the mean subtracted"
        else:
            scale = "values with the mean subtracted, as bytes from 0 to 255 would give"
    elif m.min() >= 0 and m.max() <= 1 and bool((v <= slack * m * (1 - m) + 1e-6).all()):
        scale = "pixels from 0 to 1"
    elif m.min() >= 0 and m.max() <= 255 and bool((v <= slack * m * (255 - m) + 1e-6).all()):
        scale = "bytes from 0 to 255"
    else:
        scale = "no usual scale of pictures"
    return f"{moments}: fits {scale}"


def read_input_scale(path: str | Path) -> InputScale:
    """Return the scale of inputs that a file or hub folder of `export_level` records.

    Raises
    ------
    InputError
        If there is no such file, or it records none.

    Examples
    --------
    >>> from sparsight.interchange import read_hub_folder, read_input_scale
    >>> network, _ = read_hub_folder("ticket")  # doctest: +SKIP
    >>> scores = network(read_input_scale("ticket")(images))  # doctest: +SKIP
    """
    path = Path(path)
    facts = read_config(path / CONFIG) if path.is_dir() else read_facts(path)
    return InputScale.from_facts(facts.get("inputs"), str(path))


def _numbers(values: Any, number: int) -> tuple[float, ...] | None:
    if values is None:
        return None
    numbers = tuple(float(value) for value in values)
    if len(numbers) != number or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{len(numbers)} numbers for {number} channels")
    return numbers
