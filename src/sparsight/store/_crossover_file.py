"""The densities below which a run's layers train on kept weights: measured once, and then fixed."""

from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import nn

from sparsight.errors import InputError
from sparsight.network import linear_layers
from sparsight.sparse import Crossovers, Kernel, crossover_measurements
from sparsight.store._sealed_json import read_sealed, write_sealed

CROSSOVERS = "crossovers.json"


def recorded_crossovers(folder: Path, network: nn.Module, kernel: Kernel) -> Crossovers:
    """Return the run's crossovers for the network's layers; measure and record those that are missing.

    Parameters
    ----------
    folder : Path
        The run directory.
    network : torch.nn.Module
        On its device.
    kernel : {"auto", "dense", "csr"}
        Crossovers are needed for ``auto`` only; the others get an empty result.
    """
    device = next(network.parameters()).device
    shapes = {(layer.out_features, layer.in_features) for layer in linear_layers(network).values()}
    measurements = crossover_measurements(shapes, device)
    if kernel != "auto" or not measurements:
        return {}
    # Kernels round differently, and timings vary: replicates, or halves of an interrupted one, that measured
    # for themselves could differ in rounding. So the first process measures and every other one reads
    # (docs/decisions.md, "Which layers train on kept weights is measured once a run, and recorded").
    with FileLock(folder / f".{CROSSOVERS}.lock"):
        content = _content(folder / CROSSOVERS)
        known: dict[str, float] = content.setdefault(device.type, {}).setdefault("crossovers", {})
        missing = {key: measure for key, measure in measurements.items() if key not in known}
        if missing:
            known |= {key: measure() for key, measure in missing.items()}
            content[device.type] |= {"threads": torch.get_num_threads(), "device": _name(device)}
            write_sealed(folder / CROSSOVERS, content)
    return known


def read_crossovers(path: Path) -> dict[str, Any]:
    """Return the content of ``crossovers.json``: crossovers, and how they were measured, by device.

    Raises
    ------
    InputError
        If the file is missing or damaged, or holds something else.
    """
    content = read_sealed(path)
    for kind, facts in content.items():
        if kind == "format_version":
            continue
        known = facts.get("crossovers") if isinstance(facts, dict) else None
        if not isinstance(known, dict) or not all(map(_is_density, known.values())):
            raise InputError(f"{path} is damaged: {kind!r:.40} holds no densities by shape of a layer")
    return content


def _content(path: Path) -> dict[str, Any]:
    try:
        return read_crossovers(path) if path.exists() else {}
    except InputError:  # measured again: at worst a level takes another kernel, which is correct as well
        return {}


def _is_density(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
