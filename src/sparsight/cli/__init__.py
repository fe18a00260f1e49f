"""The command line: what a user may ask for, handed on to the rooms that do it."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import metadata
from typing import Any

from cyclopts import App, CycloptsError

from sparsight.cli import _catalogue, _exchange, _run, _show
from sparsight.errors import SparsightError

app = App(
    name="sparsight",
    help="See what pruning does to the representations of a neural network, beside the controls.",
    version=lambda: metadata.version("sparsight"),
    suppress_keyboard_interrupt=False,  # main says how to go on
)

for _command in (
    _run.run,
    _run.sweep,
    _catalogue.recipes,
    _run.reproduce,
    _run.measure,
    _show.report,
    _show.figures,
    _show.movie,
    _show.status,
    _show.check,
    _catalogue.data,
    _exchange.export,
    _exchange.import_peer,
):
    app.command(_command)


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
        _complain("stopped; the same command goes on from there")
        return 128 + getattr(interruption, "signal_number", signal.SIGINT)
    except BrokenPipeError:  # `sparsight … | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        _complain(f"{error.filename or 'a file'}: {error.strerror or error}")
        return 2
    return status if isinstance(status, int) else 0


def _complain(line: str) -> None:
    with suppress(OSError):  # the terminal is gone
        print(f"sparsight: {line}", file=sys.stderr)
