"""Which data sources can be used on this machine, and a summary of the data of a task."""

import importlib.util
import inspect
from dataclasses import dataclass

import numpy as np
from scipy import stats

from sparsight.data._representative_samples import order_of_classes
from sparsight.data._sources import PACKAGES, SOURCES
from sparsight.data._task import Task
from sparsight.data.images._published_sets import folder_or_downloaded

_SAMPLES_LOOKED_AT = 4000


@dataclass(frozen=True)
class SourceStatus:
    """Whether a data source can be used on this machine, with a sentence on what it is and what is missing.

    It is not available if it needs a file or folder that does not exist or that the user has to name, or a
    package that is not installed.
    """

    name: str
    available: bool
    what: str


def availability() -> list[SourceStatus]:
    """Return the status of every registered source, sorted by name, without loading any."""
    return [_status(name) for name in sorted(SOURCES)]


def describe_task(task: Task) -> dict[str, object]:
    """Return facts to know about a task before training on it.

    Returns
    -------
    dict
        Shapes, counts, class balance, how classes follow each other, and, over the pixels of at most 4000
        training samples as the network sees them: mean, standard deviation, skewness and excess kurtosis
        (Gaussian: 0) pooled over pixels, and the excess kurtosis of differences between neighbouring pixels
        along the last axis.
    """
    inputs = task.representative("train", _SAMPLES_LOOKED_AT)[0].numpy().astype(np.float64)
    fields = inputs.reshape(len(inputs), *task.geometry.shape)
    gradients = np.diff(fields, axis=-1) if task.geometry.size[-1] > 1 else np.zeros(0)
    return {
        "task": task.name,
        "input": f"{task.geometry.channels} channel(s) of {' × '.join(map(str, task.geometry.size))}"
        + (", wraps" if task.geometry.wraps else ""),
        "train samples": len(task.train_labels),
        "test samples": len(task.test_labels),
        "train samples by class": np.bincount(task.train_labels, minlength=task.num_classes).tolist(),
        "test samples by class": np.bincount(task.test_labels, minlength=task.num_classes).tolist(),
        "order of train samples": order_of_classes(task.train_labels),
        "order of test samples": order_of_classes(task.test_labels),
        "online": task.draw is not None,
        "pixel mean": round(float(fields.mean()), 4),
        "pixel sd": round(float(fields.std()), 4),
        "pixel skewness": round(float(stats.skew(fields, axis=None)), 4),
        "pixel excess kurtosis": round(float(stats.kurtosis(fields, axis=None)), 4),
        "gradient excess kurtosis": round(float(stats.kurtosis(gradients, axis=None)), 4)
        if gradients.size
        else None,
        **{f"card: {key}": value for key, value in task.card.items()},
    }


def _status(name: str) -> SourceStatus:
    function = SOURCES[name]
    what = (inspect.getdoc(function) or "").split("\n\n")[0].replace("\n", " ")
    package = PACKAGES.get(name)
    if package is not None and importlib.util.find_spec(package) is None:
        return SourceStatus(name, False, f'{what} Not installed: pip install "sparsight[{package}]".')
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name not in ("folder", "path"):
            continue
        if parameter.default is inspect.Parameter.empty:
            return SourceStatus(name, False, f"{what} Needs data.{parameter.name}.")
        if parameter.default is None:  # it may be left out
            continue
        default = str(parameter.default)
        if not folder_or_downloaded(default, default, name).exists():
            return SourceStatus(
                name, False, f"{what} Not found: {parameter.default} (set data.{parameter.name})."
            )
    return SourceStatus(name, True, what)
