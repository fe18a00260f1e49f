"""Commands that write networks for other people's code, and read theirs."""

from pathlib import Path
from typing import Literal

from sparsight.cli._terminal import terminal
from sparsight.errors import InputError

# Commands import what they need when they are called: torch takes two seconds, and `--help` should not.


def export(
    run: Path,
    *,
    condition: str | None = None,
    replicate: int = 0,
    level: int | None = None,
    format: Literal["prune", "baked", "csr", "onnx", "hub"] = "prune",
    out: Path | None = None,
) -> None:
    """Write the network of a stored level for other people's code.

    Parameters
    ----------
    run
        Run directory.
    condition
        Name of a condition. [default: the first]
    replicate
        Number of the replicate, counted from 0.
    level
        Number of the level, counted from 0. [default: the last]
    format
        prune: weights and masks by the names of torch.nn.utils.prune. baked: weights with zeros where they
        were pruned. csr: kept weights only, for sparsight.SparseLinear. onnx: a model that takes raw
        inputs. hub: a folder with config.json, model.safetensors and a model card. All hold the
        standardisation of the inputs.
    out
        File or folder to write: x.safetensors, or x.pt for a checkpoint of torch.save with the weights under
        "state_dict". A file that holds something else is not replaced. [default: named after run, condition,
        replicate and level, in this folder]
    """
    from sparsight.interchange import export_level
    from sparsight.store import open_run

    opened = open_run(run)
    chosen = condition or opened.recipe.condition_names()[0]
    path = export_level(opened, condition=chosen, replicate=replicate, level=level, target=format, out=out)
    terminal().print(f"written: {path}", soft_wrap=True)


def import_peer(file: Path, *, step: int | None = None, out: Path | None = None) -> None:
    """Convert a level of SiftingFeatures or IMPforFCN (IMP_itdata_*.pkl) to a hub folder.

    The pickle is interpreted, not executed: only arrays and plain values are read.

    Parameters
    ----------
    file
        The .pkl file.
    step
        Stored training step to read. [default: the last]
    out
        Folder to write. [default: the name of the file without its suffix, in this folder]
    """
    from sparsight.interchange import read_peer_level, write_hub_folder

    folder = out or _folder_named_after(file)
    level = read_peer_level(file, step)
    facts = [
        f"validation error {level.validation_error:.4f}"
        if level.validation_error is not None
        else f"no validation error was measured at step {level.step}"
    ]
    if not level.statistics_are_of_step:
        facts.append(
            f"its BatchNorm statistics are those of the last step, {level.steps[-1]}, which the file holds "
            "for all steps: recompute them on training data before the network is used"
        )
    write_hub_folder(
        folder,
        level.settings,
        level.pruned,
        provenance=f"Read from `{file.name}`, step {level.step}; {'; '.join(facts)}.",
        inputs=level.inputs,
    )
    density = f"density {100 * level.pruned.density:.3f} % with biases"
    console = terminal()
    console.print(
        f"{file.name}: step {level.step} of {level.steps}, {density}, {facts[0]}; written: {folder}",
        soft_wrap=True,
    )
    for fact in (*facts[1:], f"the file does not say on which scale it takes inputs; {level.inputs.note}"):
        console.print(f"note: {fact}", soft_wrap=True)


def _folder_named_after(file: Path) -> Path:
    """Return the folder that is written unless the user names one."""
    folder = Path(file.stem)
    # "...pkl" has the stem "..", a file without a suffix has its own name, and a hidden folder is not found.
    if not folder.name.strip(". ") or folder.name.startswith((".", "-")) or folder.is_file():
        raise InputError(f"{file.name!r} gives no name for a new folder: name one with --out")
    return folder
