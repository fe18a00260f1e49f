"""The command line: commands that read options, call the other rooms, and print.

_run, _measure, _reproduce, _overlap   Commands that compute.
_sweep                       ``sparsight sweep`` and its subcommands.
_show                        Commands that show or verify what is stored.
_catalogue                   Shipped recipes and data sources.
_exchange                    Networks from and to other people's code.
_terminal                    Options that several commands share, and the console.
views                        Tables, lines and the live view that they print.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import metadata
from typing import Any

from cyclopts import App, CycloptsError, Group, Parameter

from sparsight.cli import _catalogue, _exchange, _measure, _overlap, _reproduce, _run, _show, _sweep
from sparsight.errors import SparsightError

app = App(
    name="sparsight",
    help="See what pruning does to the representations of a neural network, beside the controls.",
    version=lambda: metadata.version("sparsight"),
    default_parameter=Parameter(
        negative_iterable=(),  # no --empty-set beside --set
        # A flag is off and a list empty unless it is given: the help need not say so.
        show_default=lambda default: None if default is False or default == () else default,
    ),
    suppress_keyboard_interrupt=False,  # main says how to resume
)

_COMPUTE, _LOOK, _BEGIN, _EXCHANGE, app.group_commands = map(
    Group.create_ordered,
    ("Train and measure", "Look at runs", "Recipes and data", "Exchange networks", "This program"),
)
app.command(_run.run, group=_COMPUTE, sort_key=1)
_sweep.app.group = (_COMPUTE,)
app.command(_sweep.app)
app.command(_measure.measure, group=_COMPUTE, sort_key=3)
app.command(_reproduce.reproduce, group=_COMPUTE, sort_key=4)
app.command(_overlap.overlap, group=_COMPUTE, sort_key=5)
_command: Callable[..., Any]
for _command in (_show.status, _show.check, _show.report, _show.figures, _show.movie):
    app.command(_command, group=_LOOK)
for _command in (_catalogue.recipes, _catalogue.data):
    app.command(_command, group=_BEGIN)
for _command in (_exchange.export, _exchange.import_peer):
    app.command(_command, group=_EXCHANGE)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a user's mistake is one line on stderr and exit status 2."""
    sys.exit(
        _exit_status(
            lambda: app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        )
    )


def _exit_status(call: Callable[[], Any]) -> int:
    try:
        status = call()
    except (SparsightError, CycloptsError) as error:
        _complain(f"{' '.join(str(error).split())}")
        return 2
    except KeyboardInterrupt as interruption:
        _complain("stopped; the same command resumes it")
        return 128 + getattr(interruption, "signal_number", signal.SIGINT)
    except BrokenPipeError:  # `sparsight … | head`: the reader has seen enough
        # Python flushes stdout when it exits, which would fail again, with a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        _complain(f"{error.filename or 'a file'}: {error.strerror or error}")
        return 2
    return status if isinstance(status, int) else 0


def _complain(line: str) -> None:
    with suppress(OSError):  # the terminal is gone
        print(f"sparsight: {line}", file=sys.stderr)
