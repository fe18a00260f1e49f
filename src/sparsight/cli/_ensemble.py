"""``sparsight ensemble``."""

from pathlib import Path

from sparsight.cli._terminal import Plugins, terminal

# Commands import what they need when they are called: torch takes two seconds, and `--help` should not.


def ensemble(
    run: Path,
    *,
    condition: tuple[str, ...] = (),
    size: int | None = None,
    samples: int | None = None,
    seed: int = 0,
    out: Path | None = None,
    plugins: Plugins = (),
) -> None:
    """Measure the replicates of each condition as an ensemble, over density.

    Beside tickets stand copies of one of them and the dense ensemble at equal marginal predictions. The
    replicates have to share their data: a set that is no random draw, or data.seed in the recipe.

    Parameters
    ----------
    run
        Run directory.
    condition
        Name of a condition; may be given several times. [default: all]
    size
        Members of an ensemble. [default: half of the replicates, at least 2, fewer where there are many]
    samples
        Test samples. [default: measure.num_samples of the recipe]
    seed
        Seed of the groups of samples that are predicted together.
    out
        Folder of the table and figures. [default: ensemble in the run directory]
    """
    from sparsight.cli.views._ensemble import print_ensembles
    from sparsight.report import write_ensemble_files
    from sparsight.run import ensembles, load_plugins
    from sparsight.store import open_run

    load_plugins(plugins)
    opened = open_run(run)
    table = ensembles(opened, condition or None, size=size, num_samples=samples, seed=seed)
    console = terminal()
    print_ensembles(console, table)
    folder = out or run / "ensemble"
    written = write_ensemble_files(opened, table, folder)
    console.print(f"{len(written)} files: {folder}", soft_wrap=True)
