"""The decorator for sources of random fields: from one sampler per class to a registered task."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float32, Int64
from pydantic import Field

from sparsight.data._sources import Count, data_source
from sparsight.data._task import Draw, Task
from sparsight.data.fields._gaussian_samplers import Sampler
from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.streams import generator

Size = Annotated[Sequence[Annotated[int, Field(ge=1)]], Field(min_length=1, max_length=2)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Lengths = Annotated[Sequence[Positive], Field(min_length=1)]
Channels = Annotated[int, Field(ge=1)]
Clone = Literal["none", "gaussian"]

_BLOCK_VALUES = 2**20  # pixels drawn at a time: 4 MB, which stay in the cache


@dataclass(frozen=True)
class FieldClasses:
    """The classes that a field source tells apart, and facts about them for `Task.card`.

    Each class has a sampler: ``sampler(rng, n)`` draws n fields, float32, (n, *size).
    """

    samplers: Sequence[Sampler]
    card: Mapping[str, Any]


def field_source(
    name: str, *, num_train: int = 10_000, num_test: int = 5_000
) -> Callable[[Callable[..., FieldClasses]], Callable[..., Task]]:
    """Turn a function that returns `FieldClasses` into a registered data source, the task of that name.

    The function takes keyword arguments only: ``size``, ``wraps`` unless its fields always do, ``clone`` if
    it knows its exact Gaussian twin (``name-gaussian``), and parameters of its own. The source takes these
    and `channels` (independent fields per sample), `num_train`, `num_test` (with the defaults given here),
    `online` (fresh samples at every step of training), `unit_norm` and `seed`, and its signature says so: it
    is what recipes are checked against.

    With `unit_norm` every sample, over all channels, is divided by its norm and multiplied by √(number of
    inputs), so that no scale of a sample is left. Its twin is the exact Gaussian twin divided by *its* norm:
    the twin of an elliptical field is then the same distribution, and that of any other field is compared
    with it at equal norm. It is not Gaussian, and its covariance equals that of the divided field only as far
    as norms do not depend on the field's shape.
    """

    def decorate(function: Callable[..., FieldClasses]) -> Callable[..., Task]:
        own = dict(inspect.signature(function, eval_str=True).parameters)
        before_clone = [parameter for key, parameter in own.items() if key != "clone"]
        signature = inspect.Signature(
            [
                *before_clone,
                _option("channels", Channels, 1),
                _option("num_train", Count, num_train),
                _option("num_test", Count, num_test),
                *([own["clone"]] if "clone" in own else []),
                _option("online", bool, False),
                _option("unit_norm", bool, False),
                _option("seed", int, Parameter.empty),
            ],
            return_annotation=Task,
        )

        @functools.wraps(function)
        def source(**given: Any) -> Task:
            bound = signature.bind(**given)
            bound.apply_defaults()
            options = bound.arguments
            classes = function(**{key: options[key] for key in own})
            return _field_task(
                name if options.get("clone", "none") == "none" else f"{name}-gaussian",
                classes,
                Geometry(options["channels"], tuple(options["size"]), options.get("wraps", True)),
                num_samples={"train": options["num_train"], "test": options["num_test"]},
                online=options["online"],
                unit_norm=options["unit_norm"],
                seed=options["seed"],
            )

        source.__signature__ = signature  # type: ignore[attr-defined]
        return data_source(name)(source)

    return decorate


def _option(name: str, annotation: Any, default: Any) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _field_task(
    name: str,
    classes: FieldClasses,
    geometry: Geometry,
    *,
    num_samples: Mapping[str, int],
    online: bool,
    unit_norm: bool,
    seed: int,
) -> Task:
    """Return the task of telling the classes apart, with channels that are independent fields.

    Labels depend on the seed and the counts alone, fields on the name as well: a field and its twin have
    the same labels and share no other random number. With `online` the training split serves
    standardisation and measurements only.
    """
    samplers = classes.samplers
    drawn = _unit_norm_fields if unit_norm else _fields
    if len(samplers) < 2:
        raise InputError(
            f"{name} has one class; give at least two correlation lengths, or two values of "
            "another parameter that tells classes apart"
        )
    for split, count in num_samples.items():
        if count < len(samplers):
            raise InputError(
                f"num_{split} is {count}; at least one for each of {len(samplers)} classes is needed"
            )
    labels, inputs = {}, {}
    for split, count in num_samples.items():
        labels[split] = _balanced_labels(generator(seed, "field labels", split), count, len(samplers))
        inputs[split] = drawn(generator(seed, "fields", name, split), labels[split], samplers, geometry)
    return Task(
        name=f"{name}-unit-norm" if unit_norm else name,
        geometry=geometry,
        num_classes=len(samplers),
        train_inputs=inputs["train"],
        train_labels=labels["train"],
        test_inputs=inputs["test"],
        test_labels=labels["test"],
        draw=_online_draw(name, drawn, samplers, geometry) if online else None,
        card={
            **(_card_at_unit_norm(classes.card) if unit_norm else classes.card),
            "online": online,
            "train_samples_per_class": np.bincount(labels["train"]).tolist(),
            "test_samples_per_class": np.bincount(labels["test"]).tolist(),
        },
    )


def _card_at_unit_norm(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return the card with a name for the kurtosis that says that it is the undivided field's."""
    kurtosis = "pixel_excess_kurtosis_per_class"
    renamed = {f"{key}_before_norm" if key == kurtosis else key: value for key, value in card.items()}
    return renamed | {"unit_norm": True}


def _online_draw(
    name: str, drawn: Callable[..., np.ndarray], samplers: Sequence[Sampler], geometry: Geometry
) -> Draw:
    def draw(seed: int, step: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        labels = _balanced_labels(generator(seed, "field labels", "online", step), batch_size, len(samplers))
        rng = generator(seed, "fields", name, "online", step)
        return drawn(rng, labels, samplers, geometry), labels

    return draw


def _balanced_labels(rng: np.random.Generator, num_samples: int, num_classes: int) -> Int64[np.ndarray, "n"]:
    """Return labels in random order, as balanced as the number allows."""
    # Permuted, or the classes that get one sample more than the others would always be the first.
    classes = rng.permutation(num_classes)
    labels = classes[np.arange(num_samples) % num_classes].astype(np.int64)
    rng.shuffle(labels)
    return labels


def _fields(
    rng: np.random.Generator, labels: np.ndarray, samplers: Sequence[Sampler], geometry: Geometry
) -> Float32[np.ndarray, "n channels *size"]:
    inputs = np.empty((len(labels), *geometry.shape), dtype=np.float32)
    block = max(1, _BLOCK_VALUES // geometry.num_inputs)
    for label, sampler in enumerate(samplers):
        rows = np.flatnonzero(labels == label)
        for start in range(0, len(rows), block):
            part = rows[start : start + block]
            fields = sampler(rng, len(part) * geometry.channels)
            inputs[part] = fields.reshape(len(part), *geometry.shape)
    return inputs


def _unit_norm_fields(
    rng: np.random.Generator, labels: np.ndarray, samplers: Sequence[Sampler], geometry: Geometry
) -> Float32[np.ndarray, "n channels *size"]:
    """Return the same fields, each divided by the root of its mean square; a field of zeros stays."""
    inputs = _fields(rng, labels, samplers, geometry)
    flat = inputs.reshape(len(inputs), -1)
    norms = np.sqrt(np.square(flat).mean(axis=1, keepdims=True))
    flat /= np.where(norms > 0, norms, 1)
    return inputs
