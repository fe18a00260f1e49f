"""Levels of a run as files for other people's code."""

from pathlib import Path
from typing import Literal

from sparsight.errors import InputError
from sparsight.interchange._hub import write_hub_folder
from sparsight.interchange._pruned_state import PrunedState, to_prune_names
from sparsight.interchange._state_files import write_state
from sparsight.store import Run

Format = Literal["prune", "baked", "hub"]


def export_level(
    run: Run, condition: str, replicate: int, level: int | None, target: Format, out: Path | None = None
) -> Path:
    """Write one stored level for other people's code.

    Parameters
    ----------
    run : Run
    condition : str
    replicate : int
    level : int or None
        None: the last that is stored.
    target : {"prune", "baked", "hub"}
        ``prune``: a ``.safetensors`` file with the names of torch.nn.utils.prune. ``baked``: one with zeros
        in place of what was pruned. ``hub``: a folder with ``config.json``, ``model.safetensors`` and a card.
    out : Path, optional
        Default: a name made of the run's, condition, replicate and level, in this folder.

    Returns
    -------
    Path
        What was written.

    Raises
    ------
    InputError
        If there is no such level, or it cannot be written.
    """
    if condition not in run.recipe.condition_names():
        raise InputError(f"condition: {condition!r}; there are {', '.join(run.recipe.condition_names())}")
    num_levels = (
        run.directory.num_levels(condition, replicate) if 0 <= replicate < run.recipe.replicates else 0
    )
    if not num_levels or (level is not None and not 0 <= level < num_levels):
        raise InputError(
            f"{run.path}: {condition}, replicate {replicate} has levels 0 to {num_levels - 1}, not {level}"
            if num_levels
            else f"{run.path}: {condition} has no replicate {replicate} with a stored level"
        )
    level = num_levels - 1 if level is None else level
    stored = run.level(condition, replicate, level)
    pruned = PrunedState(stored.final, stored.masks)
    stem = f"{run.path.name}-{condition}-{replicate}-level{level}"
    if target == "hub":
        folder = out or Path(stem)
        facts = run.directory.task_facts(condition, replicate)
        provenance = (
            f"Level {level} of replicate {replicate} of condition `{condition}` of the recipe "
            f"`{run.recipe.name}`, hash {run.recipe.digest()[:8]}; test accuracy "
            f"{stored.record.test_accuracy:.4f}."
        )
        geometry = run.geometry(condition, replicate)
        settings = run.recipe.condition(condition).network
        write_hub_folder(folder, settings, geometry.num_inputs, int(facts["num_classes"]), pruned, provenance)
        return folder
    path = out or Path(f"{stem}.safetensors")
    write_state(path, to_prune_names(pruned) if target == "prune" else pruned.state)
    return path
