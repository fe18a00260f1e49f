"""Commands that hand networks to other people's code, and take theirs."""

from pathlib import Path
from typing import Literal

from sparsight.cli._terminal import terminal

# Every command imports what it needs itself: torch takes two seconds, `--help` should not.


def export(
    run: Path,
    *,
    condition: str | None = None,
    replicate: int = 0,
    level: int | None = None,
    format: Literal["prune", "baked", "hub"] = "prune",
    out: Path | None = None,
) -> None:
    """Write a stored level for other people's code.

    Parameters
    ----------
    run
        The run directory.
    condition
        [default: the first].
    replicate
        Counted from 0.
    level
        [default: the last].
    format
        prune: the names of torch.nn.utils.prune; baked: zeros in place of what was pruned (both as
        .safetensors); hub: a folder with config.json, model.safetensors and a card.
    out
        File or folder to write.
    """
    from sparsight.interchange import export_level
    from sparsight.store import open_run

    opened = open_run(run)
    chosen = condition or opened.recipe.condition_names()[0]
    path = export_level(opened, condition=chosen, replicate=replicate, level=level, target=format, out=out)
    terminal().print(f"written: {path}", soft_wrap=True)


def import_peer(file: Path, *, step: int | None = None, out: Path | None = None) -> None:
    """Read a level of SiftingFeatures or IMPforFCN (IMP_itdata_*.pkl), and write it as a hub folder.

    The pickle is interpreted, not executed: only arrays and plain values are read.

    Parameters
    ----------
    file
        The ancestor's file.
    step
        Which of the stored steps [default: the last].
    out
        Folder to write [default: the file's name].
    """
    from sparsight.interchange import read_peer_level, write_hub_folder

    level = read_peer_level(file, step)
    folder = out or Path(file.stem)
    provenance = f"Read from `{file.name}`, step {level.step}; validation error {level.validation_error:.4f}."
    write_hub_folder(folder, level.settings, level.pruned, provenance)
    terminal().print(
        f"{file.name}: step {level.step} of {level.steps}, density {100 * level.pruned.density:.3f} % with "
        f"biases, validation error {level.validation_error:.4f}; written: {folder}",
        soft_wrap=True,
    )
