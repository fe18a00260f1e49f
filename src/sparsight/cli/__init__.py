"""The command line: commands that read options, call the other rooms, and print.

_run, _measure, _reproduce, _overlap   Commands that compute.
_sweep                       ``sparsight sweep`` and its subcommands.
_show                        Commands that show or verify what is stored.
_catalogue                   Shipped recipes and data sources.
_exchange                    Networks from and to other people's code.
_terminal                    Options that several commands share, and the console.
views                        Tables, lines and the live view that they print.

_app                         All commands under their names, and what is said when one fails.
_signals                     Signals while a command starts, and wherever nothing else answers them.
"""

import gc
import sys
from collections.abc import Sequence

from sparsight.cli._signals import answering_signals

# Nothing else is imported here: until `main` is called, a signal finds nobody who answers it in one line.


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a user's mistake is one line on stderr and exit status 2."""
    # What a command imports and draws are a million objects that stay. To look for cycles among them after
    # every 700 new ones, as Python does, takes a tenth of the time.
    gc.set_threshold(50_000)
    with answering_signals():
        from sparsight.cli._app import run_app

        status = run_app(arguments)
    sys.exit(status)
