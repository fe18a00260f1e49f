"""MNIST-1D, made by its authors' package: digits as lines of 40 pixels."""

import random
from importlib.metadata import version
from typing import Any

import numpy as np

from sparsight.data._sources import data_source
from sparsight.data._task import Task
from sparsight.data.images._cache import kept_array
from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.streams import generator

LENGTH, NUM_TRAIN, NUM_TEST = 40, 4000, 1000
_PACKAGES_THAT_DETERMINE_IT = ("mnist1d", "numpy", "scipy")


@data_source("mnist1d", package="mnist1d")
def mnist1d(*, shuffled_pixels: bool = False, seed: int) -> Task:
    """Make MNIST-1D: ten digits drawn as lines, padded, moved, scaled, sheared, and with correlated noise.

    Samples, split (4000 and 1000) and seed (42) are those of the package ``mnist1d`` with its default
    arguments. Values are the package's: it standardises all 5000 samples together.

    Parameters
    ----------
    shuffled_pixels : bool
        Control: one permutation of the 40 positions, drawn from the seed, for all samples. A fully
        connected network can learn as well as before, but neighbours no longer belong together.
    seed : int
        Seeds the permutation only: all replicates have the same samples.

    Returns
    -------
    Task
        Inputs float32, (n, 1, 40); ten classes.

    Raises
    ------
    InputError
        If the package is not installed.

    Notes
    -----
    Greydanus & Kobak, arXiv 2011.14439.
    """
    values = _samples()
    inputs = values[:, None, :LENGTH].astype(np.float32)
    labels = values[:, LENGTH].astype(np.int64)
    order = np.arange(LENGTH)
    if shuffled_pixels:
        order = generator(seed, "mnist1d", "shuffled pixels").permutation(LENGTH)
        inputs = np.ascontiguousarray(inputs[:, :, order])
    return Task(
        name="mnist1d, shuffled pixels" if shuffled_pixels else "mnist1d",
        geometry=Geometry(1, (LENGTH,)),
        num_classes=10,
        train_inputs=inputs[:NUM_TRAIN],
        train_labels=labels[:NUM_TRAIN],
        test_inputs=inputs[NUM_TRAIN:],
        test_labels=labels[NUM_TRAIN:],
        card={
            "source": f"mnist1d {version('mnist1d')}, seed 42",
            "licence": "Apache 2.0",
            "standardisation": "the package's, over training and test samples together",
            "shuffled_pixels": shuffled_pixels,
            "pixel_order": order.tolist(),
        },
    )


def _samples() -> np.ndarray:
    """Return the samples, training first, with their labels as the last column: float64, (5000, 41)."""
    try:
        from mnist1d.data import make_dataset  # here, because it imports pyplot and requests
    except ImportError:
        raise InputError(
            'data.source "mnist1d" needs the package mnist1d; install it: pip install "sparsight[mnist1d]"'
        ) from None
    versions = "-".join(version(name) for name in _PACKAGES_THAT_DETERMINE_IT)
    return kept_array(f"mnist1d-{versions}", lambda: _made(make_dataset))


def _made(make_dataset: Any) -> np.ndarray:
    # The package seeds the global generators; whoever uses them goes on where they were.
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        made = make_dataset()
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)
    return np.column_stack(
        [np.concatenate([made["x"], made["x_test"]]), np.concatenate([made["y"], made["y_test"]])]
    )
