"""The densities below which this run's layers train on kept weights: measured once, the same to its end."""

from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import nn

from sparsight.errors import InputError
from sparsight.network import linear_layers
from sparsight.sparse import Crossovers, Kernel, is_worth_measuring, measured_crossovers, shape_key
from sparsight.store._sealed_json import read_sealed, write_sealed

CROSSOVERS = "crossovers.json"


def recorded_crossovers(folder: Path, network: nn.Module, kernel: Kernel) -> Crossovers:
    """Return what this run measured for the network's layers, after measuring what it has not yet.

    The first process that comes measures, under a lock; whoever comes later, or goes on with the run
    another day, reads, so that every replicate of a run takes the same products at the same density.

    Parameters
    ----------
    folder : Path
        The run directory.
    network : torch.nn.Module
        On its device.
    kernel : {"auto", "dense", "csr"}
        Only with ``auto`` is anything measured.
    """
    device = next(network.parameters()).device
    shapes = {(layer.out_features, layer.in_features) for layer in linear_layers(network).values()}
    shapes = {shape for shape in shapes if is_worth_measuring(shape)}
    if kernel != "auto" or not shapes:
        return {}
    with FileLock(folder / f".{CROSSOVERS}.lock"):
        content = _content(folder / CROSSOVERS)
        known: dict[str, float] = content.setdefault(device.type, {}).setdefault("crossovers", {})
        missing = [shape for shape in shapes if shape_key(shape) not in known]
        if missing:
            known |= measured_crossovers(missing, device)
            content[device.type] |= {"threads": torch.get_num_threads(), "device": _name(device)}
            write_sealed(folder / CROSSOVERS, content)
    return known


def _content(path: Path) -> dict[str, Any]:
    try:
        return read_sealed(path) if path.exists() else {}
    except InputError:  # a damaged one is measured again: at worst a level takes other products, rightly
        return {}


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
