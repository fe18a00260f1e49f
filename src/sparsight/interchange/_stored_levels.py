"""Stored levels of a run, written as files for other tools."""

from pathlib import Path
from typing import Literal

from sparsight.errors import InputError
from sparsight.interchange._hub import write_hub_folder
from sparsight.interchange._pruned_state import PrunedState, to_prune_names
from sparsight.interchange._state_files import write_state
from sparsight.store import Run

Format = Literal["prune", "baked", "hub"]


def export_level(
    run: Run,
    *,
    condition: str,
    replicate: int,
    level: int | None = None,
    target: Format = "prune",
    out: Path | None = None,
) -> Path:
    """Write one stored level as files for other tools, and return the path written.

    Parameters
    ----------
    level : int, optional
        Default: the last stored level.
    target : {"prune", "baked", "hub"}
        ``prune``: a ``.safetensors`` file with the names of torch.nn.utils.prune. ``baked``: one with zeros
        in place of pruned weights. ``hub``: a folder with ``config.json``, ``model.safetensors`` and a card.
    out : Path, optional
        Default: ``<run>-<condition>-<replicate>-level<level>`` in the current folder.

    Raises
    ------
    InputError
        If the run has no such level, or the files cannot be written.
    """
    level = _checked_level(run, condition, replicate, level)
    stored = run.level(condition, replicate, level)
    pruned = PrunedState(stored.final, stored.masks)
    stem = f"{run.path.resolve().name}-{condition}-{replicate}-level{level}"
    if target == "hub":
        provenance = (
            f"Level {level} of replicate {replicate} of condition `{condition}` of the recipe "
            f"`{run.recipe.name}`, hash {run.recipe.digest()[:8]}; test accuracy "
            f"{stored.record.test_accuracy:.4f}."
        )
        folder = out or Path(stem)
        write_hub_folder(folder, run.recipe.condition(condition).network, pruned, provenance)
        return folder
    path = out or Path(f"{stem}.safetensors")
    write_state(path, to_prune_names(pruned) if target == "prune" else pruned.state)
    return path


def _checked_level(run: Run, condition: str, replicate: int, level: int | None) -> int:
    conditions = run.recipe.condition_names()
    if condition not in conditions:
        raise InputError(f"condition: {condition!r}; there are {', '.join(conditions)}")
    is_there = 0 <= replicate < run.recipe.replicates
    num_levels = run.directory.num_levels(condition, replicate) if is_there else 0
    if not num_levels:
        raise InputError(f"{run.path}: {condition} has no replicate {replicate} with a stored level")
    if level is None:
        return num_levels - 1
    if not 0 <= level < num_levels:
        raise InputError(
            f"{run.path}: {condition}, replicate {replicate} has levels 0 to {num_levels - 1}, not {level}"
        )
    return level
