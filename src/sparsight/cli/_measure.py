"""``sparsight measure``."""

from pathlib import Path

from sparsight.cli._terminal import AcceptChanges, Plugins, terminal

# Commands import what they need when they are called: torch takes two seconds, and `--help` should not.


def measure(
    run: Path,
    *,
    instruments: str | None = None,
    plugins: Plugins = (),
    accept_changes: AcceptChanges = False,
    levels: bool = False,
) -> None:
    """Apply instruments to the stored levels of a run again, without training.

    Parameters
    ----------
    run
        Run directory.
    instruments
        Names separated by commas, as in cavity,locality. [default: the recipe's]
    levels
        End with a table of every level, not of the last ones alone.
    """
    from sparsight.cli.views._summary import announce_level, print_summary
    from sparsight.report import write_report
    from sparsight.run import load_plugins, measure_again
    from sparsight.store import open_run

    load_plugins(plugins)
    opened = open_run(run)
    console = terminal()
    measure_again(
        opened.directory,
        instruments.split(",") if instruments else None,
        on_level=lambda *level: console.print(announce_level(*level)),
        accept_changes=accept_changes,
    )
    print_summary(console, opened, levels=levels)
    console.print(f"report: {write_report(opened)}", soft_wrap=True)
