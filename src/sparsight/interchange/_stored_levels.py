"""Stored levels of a run, written as files for other tools."""

from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from sparsight.errors import InputError
from sparsight.interchange._hub import write_hub_folder
from sparsight.interchange._input_scale import scale_of_task
from sparsight.interchange._onnx import ONNX, read_onnx_facts, write_onnx
from sparsight.interchange._pruned_state import PrunedState, to_prune_names
from sparsight.interchange._sparse_state import to_csr
from sparsight.interchange._state_files import SAFETENSORS, read_facts, write_state
from sparsight.store import Run

Format = Literal["prune", "baked", "csr", "onnx", "hub"]

_ENDINGS = {
    "prune": SAFETENSORS,
    "baked": f"-baked{SAFETENSORS}",
    "csr": f"-csr{SAFETENSORS}",
    "onnx": ONNX,
}


def export_level(
    run: Run,
    *,
    condition: str,
    replicate: int,
    level: int | None = None,
    target: Format = "prune",
    out: str | Path | None = None,
) -> Path:
    """Write one stored level as files for other tools, and return the path written.

    The scale of the inputs is recorded in the file or folder; `read_input_scale` reads it.

    Parameters
    ----------
    level : int, optional
        Default: the last stored level.
    target : {"prune", "baked", "csr", "onnx", "hub"}
        ``prune``: a file with the names of torch.nn.utils.prune. ``baked``: one with zeros in place of pruned
        weights. ``csr``: one with kept weights only, which grows with their number; see `SparseLinear`.
        ``onnx``: a model that takes raw inputs, see `write_onnx`. ``hub``: a folder with ``config.json``,
        ``model.safetensors`` and a card.
    out : str or Path, optional
        For files, the name says the format: ``.safetensors``; or ``.pt``, ``.pth``, ``.ckpt`` or ``.bin`` for
        a checkpoint of ``torch.save``, with the weights under ``"state_dict"``. Default:
        ``<run>-<condition>-<replicate>-level<level>`` in the current folder, with ``-baked`` or ``-csr``
        after it for these, and ``.safetensors`` for files of weights, ``.onnx`` for models.

    Raises
    ------
    InputError
        If the run has no such level, the file exists and holds something else, or it cannot be written.
    """
    level = _checked_level(run, condition, replicate, level)
    stored = run.level(condition, replicate, level)
    pruned = PrunedState(stored.final, stored.masks)
    inputs = scale_of_task(run.directory.task_facts(condition, replicate))
    stem = f"{run.path.resolve().name}-{condition}-{replicate}-level{level}"
    settings = run.recipe.condition(condition).network
    if target == "hub":
        provenance = (
            f"Level {level} of replicate {replicate} of condition `{condition}` of the recipe "
            f"`{run.recipe.name}`, hash {run.recipe.digest()[:8]}; test accuracy "
            f"{stored.record.test_accuracy:.4f}."
        )
        folder = Path(out or stem)
        write_hub_folder(folder, settings, pruned, provenance, inputs)
        return folder
    path = Path(out or f"{stem}{_ENDINGS[target]}")
    facts: dict[str, Any] = {
        "format": target,
        "origin": {
            "recipe": run.recipe.name,
            "recipe_sha256": run.recipe.digest(),
            "condition": condition,
            "replicate": replicate,
            "level": level,
        },
        "network": settings.model_dump(mode="json"),
        "inputs": inputs.facts(),
    }
    _refuse_other_content(path, facts)
    if target == "onnx":
        write_onnx(path, settings, pruned, inputs, facts)
        return path
    write_state(path, _named(pruned, target), facts)
    return path


def _named(pruned: PrunedState, target: Format) -> dict[str, Tensor]:
    if target == "prune":
        return to_prune_names(pruned)
    return to_csr(pruned) if target == "csr" else pruned.state


def _refuse_other_content(path: Path, facts: dict[str, Any]) -> None:
    """Refuse to replace a file, unless it is the same level in the same format."""
    if not path.exists():
        return
    try:
        found = read_onnx_facts(path) if path.suffix == ONNX else read_facts(path)
    except InputError:
        found = {}
    if all(found.get(key) == facts[key] for key in ("format", "origin")):
        return
    origin = found.get("origin")
    origin = origin if isinstance(origin, dict) else {}
    what = ", ".join(f"{key} {origin[key]}" for key in ("condition", "replicate", "level") if key in origin)
    held = f"an export as {found['format']!r} ({what})" if origin and "format" in found else "something else"
    raise InputError(
        f"{path} exists and holds {held}; it is not replaced: remove it, or name another file with --out"
    )


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
