"""``sparsight overlap``."""

from pathlib import Path

from sparsight.cli._terminal import terminal

# Commands import what they need when they are called: torch takes two seconds, and `--help` should not.


def overlap(
    run: Path,
    other: Path | None = None,
    *,
    level: int | None = None,
    draws: int = 20,
    seed: int = 0,
    representations: bool = False,
    out: Path | None = None,
) -> None:
    """Compare the masks of a run between seeds, conditions and levels, or with those of another run.

    Overlaps are beside those of random masks with the same degrees, with units as they stand and matched.

    Parameters
    ----------
    run
        Run directory.
    other
        Another run directory: its masks are compared with those of the first run.
    level
        The only level to compare. [default: all]
    draws
        Random masks that each mask is compared with.
    seed
        Seed of the random masks.
    representations
        Also compare what pruned and dense networks answer to test samples (CKA), within the first run.
    out
        Folder of the tables and figures. [default: overlap in the run directory]
    """
    from sparsight.cli.views._overlap import overlap_table, similarity_table
    from sparsight.report import write_overlap_files
    from sparsight.run import representation_similarities
    from sparsight.store import mask_overlaps, open_run, overlap_intervals

    opened = open_run(run)
    overlaps = mask_overlaps(
        opened, None if other is None else open_run(other), level=level, num_draws=draws, seed=seed
    )
    console = terminal()
    console.print(overlap_table(overlap_intervals(overlaps), overlap_intervals(overlaps, "iou")))
    similarities = representation_similarities(opened) if representations else None
    if similarities is not None:
        console.print(similarity_table(similarities))
    folder = out or run / "overlap"
    written = write_overlap_files(opened, overlaps, similarities, folder, is_within=other is None)
    console.print(f"{len(written)} files: {folder}", soft_wrap=True)
