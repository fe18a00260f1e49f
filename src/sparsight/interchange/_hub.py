"""The folder of a model hub: ``config.json``, ``model.safetensors``, ``README.md``."""

import itertools
import json
from pathlib import Path
from typing import Any

from sparsight.atomic import write_atomically
from sparsight.errors import InputError
from sparsight.interchange._hub_config import CONFIG, read_config
from sparsight.interchange._input_scale import InputScale
from sparsight.interchange._pruned_state import PrunedState, from_prune_names, to_prune_names
from sparsight.interchange._state_files import read_state, write_state
from sparsight.network import FullyConnected, NetworkSettings
from sparsight.recipe import validated

MODEL, CARD = "model.safetensors", "README.md"
_TYPE = "sparsight-fully-connected"


def write_hub_folder(
    folder: str | Path,
    settings: NetworkSettings,
    pruned: PrunedState,
    provenance: str,
    inputs: InputScale | None = None,
) -> None:
    """Write a pruned `FullyConnected` as a folder that a model hub accepts.

    Parameters
    ----------
    folder : str or Path
        Created if it does not exist.
    settings : NetworkSettings
        The settings of the network that `pruned` belongs to.
    pruned : PrunedState
        Stored under the names of ``torch.nn.utils.prune``, because zeros alone could not tell a kept weight
        of 0 from a pruned one.
    provenance : str
        The origin of the network, for the model card.
    inputs : InputScale, optional
        The scale of inputs that the network was trained on, for ``config.json`` and the card.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    folder = Path(folder)
    config = {
        "model_type": _TYPE,
        "num_inputs": pruned.state["linear_0.weight"].shape[1],
        "num_classes": pruned.state[f"linear_{len(settings.widths)}.weight"].shape[0],
        "network": settings.model_dump(mode="json"),
    }
    if inputs is not None:
        config["inputs"] = inputs.facts()
    _refuse_folder_of_others(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # First, because it marks the folder as ours: killed now, the same command may still fill it.
        write_atomically(folder / CONFIG, json.dumps(config, indent=2).encode(), inside=folder)
        write_state(folder / MODEL, to_prune_names(pruned))
        write_atomically(folder / CARD, _card(config, pruned, provenance).encode(), inside=folder)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}; choose another --out") from None


def _refuse_folder_of_others(folder: Path) -> None:
    """Refuse a folder that holds files of our names which are not ours, such as the README of a project."""
    present = [name for name in (CONFIG, MODEL, CARD) if (folder / name).exists()]
    if not present:
        return
    try:
        is_ours = read_config(folder / CONFIG)["model_type"] == _TYPE
    except (InputError, KeyError, TypeError):
        is_ours = False
    if not is_ours:
        raise InputError(
            f"{folder} holds {present[-1]}, and no {CONFIG} of sparsight: it is not replaced; name a new "
            "folder with --out"
        )


def read_hub_folder(folder: str | Path) -> tuple[FullyConnected, PrunedState]:
    """Read a folder of `write_hub_folder`: the network in evaluation mode, and its weights with masks.

    Raises
    ------
    InputError
        If a file is missing or damaged, or the two files do not fit together.
    """
    folder = Path(folder)
    path = folder / CONFIG
    config = read_config(path)
    try:
        kind, sizes = config["model_type"], (int(config["num_inputs"]), int(config["num_classes"]))
        raw = dict(config["network"])
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise InputError(f"{path} is missing or damaged ({type(error).__name__}: {error})") from None
    if kind != _TYPE:
        raise InputError(f"{path}: model_type is {kind!r}; only {_TYPE!r} is read")
    settings = validated(NetworkSettings, raw, str(path))
    pruned = from_prune_names(read_state(folder / MODEL))
    _check_sizes(folder, (sizes[0], *settings.widths, sizes[1]), pruned)
    network = FullyConnected(*sizes, settings)
    try:
        network.load_state_dict(pruned.state)
    except RuntimeError as error:
        raise InputError(f"{folder / MODEL} does not fit {path}: {str(error).splitlines()[-1]}") from None
    return network.eval(), pruned


def _check_sizes(folder: Path, sizes: tuple[int, ...], pruned: PrunedState) -> None:
    # Before the network is built: the numbers of config.json alone could ask for all memory.
    for depth, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        weight = pruned.state.get(f"linear_{depth}.weight")
        if weight is None or weight.shape != (fan_out, fan_in):
            found = "absent" if weight is None else f"{tuple(weight.shape)}"
            raise InputError(
                f"{folder / MODEL} does not fit {folder / CONFIG}: linear_{depth}.weight is {found}, and "
                f"{(fan_out, fan_in)} is needed"
            )


def _card(config: dict[str, Any], pruned: PrunedState, provenance: str) -> str:
    kept = "\n".join(
        f"| {name} | {int(mask.sum())} of {mask.numel()} |" for name, mask in pruned.masks.items()
    )
    network = config["network"]
    return f"""---
library_name: sparsight
tags: [pruning, sparsity]
---

# A pruned fully connected network

{config["num_inputs"]} inputs, hidden layers {list(network["widths"])}, {config["num_classes"]} classes,
activation {network["activation"]}, BatchNorm: {network["batch_norm"]}. Density {pruned.density:.4g}.

{provenance}

{_inputs_in_words(config.get("inputs"))}

| parameter | kept |
| --- | --- |
{kept}

`model.safetensors` uses the names of torch.nn.utils.prune (`weight_orig`, `weight_mask`); `config.json` holds
the architecture.

```python
{_snippet(config.get("inputs"))}
```
"""


def _inputs_in_words(inputs: dict[str, Any] | None) -> str:
    if inputs is None:
        return "Nothing is recorded about the scale of its inputs."
    shape = " × ".join(map(str, inputs["shape"]))
    words = f"Inputs: {shape} (channels first), flattened. Scale: {inputs['note']}."
    if inputs["channel_mean"] is None:
        return words
    mean, sd = (", ".join(f"{value:.6g}" for value in inputs[f"channel_{what}"]) for what in ("mean", "sd"))
    return f"{words} Subtract the mean of each channel ({mean}) and divide by its sd ({sd})."


def _snippet(inputs: dict[str, Any] | None) -> str:
    lines = [
        "import torch",
        "",
        "from sparsight.interchange import read_hub_folder, read_input_scale",
        "",
        'folder = "."  # where this card is',
        "network, pruned = read_hub_folder(folder)",
    ]
    if inputs is None or inputs["channel_mean"] is None:
        lines.remove("from sparsight.interchange import read_hub_folder, read_input_scale")
        lines.insert(2, "from sparsight.interchange import read_hub_folder")
        return "\n".join([*lines, "scores = network(torch.zeros(1, network.linear_0.in_features))"])
    shape = ", ".join(map(str, inputs["shape"]))
    return "\n".join(
        [
            *lines,
            f"raw = torch.zeros(1, {shape})  # your pictures, as their files hold them",
            "scores = network(read_input_scale(folder)(raw))",
        ]
    )
