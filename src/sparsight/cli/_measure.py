"""``sparsight measure``."""

from pathlib import Path

from sparsight.cli._terminal import Plugins, terminal

# Commands import what they need when they are called: torch takes two seconds, and `--help` should not.


def measure(run: Path, *, instruments: str | None = None, plugins: Plugins = ()) -> None:
    """Apply instruments to the stored levels of a run again, without training.

    Parameters
    ----------
    run
        Run directory.
    instruments
        Names separated by commas, as in cavity,locality. [default: the recipe's]
    """
    from sparsight.cli.views._summary import announce_level, summary_table
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
    )
    console.print(summary_table(opened, console.width))
    console.print(f"report: {write_report(opened)}", soft_wrap=True)
