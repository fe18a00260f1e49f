"""Results of studies that are no runs of a recipe: kept in one file, and laid out as those of runs are."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from sparsight.atomic import write_atomically


def kept_content(path: Path, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the plain values that a file holds; compute and write them if there is none."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        content = compute()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(content, indent=1).encode())
    return content


def simulated_dataset(
    columns: Mapping[str, np.ndarray], conditions: Sequence[str], seeds: Sequence[int]
) -> xr.Dataset:
    """Return quantities, (condition, replicate), over condition, replicate and level, of which there is one.

    As in other studies, there are ``density``, 1, and ``test_accuracy``, NaN.
    """
    dims, shape = ("condition", "replicate", "level"), (len(conditions), len(seeds), 1)
    facts = {"density": np.ones(shape), "test_accuracy": np.full(shape, np.nan)}
    return xr.Dataset(
        {name: (dims, values[..., None]) for name, values in columns.items()}
        | {name: (dims, values) for name, values in facts.items()},
        coords={"condition": list(conditions), "replicate": range(len(seeds)), "level": [0]},
        attrs={"seeds": list(seeds)},
    )
