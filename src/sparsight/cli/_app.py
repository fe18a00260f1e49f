"""The application: every command under its name, and what is said when one fails."""

import errno
import io
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import metadata
from typing import Any

from cyclopts import App, CycloptsError, Group, Parameter

from sparsight.cli import (
    _catalogue,
    _ensemble,
    _exchange,
    _measure,
    _overlap,
    _reproduce,
    _run,
    _show,
    _sweep,
)
from sparsight.cli._signals import STOPPED
from sparsight.errors import SparsightError
from sparsight.printable import printable, spell_what_streams_lack

app = App(
    name="sparsight",
    help="See what pruning does to the representations of a neural network, beside the controls.",
    version=lambda: metadata.version("sparsight"),
    help_format="plaintext",  # as Markdown, <NAME> would be a tag and disappear
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
app.command(_ensemble.ensemble, group=_COMPUTE, sort_key=6)
_command: Callable[..., Any]
for _command in (
    *(_show.status, _show.show, _show.tickets, _show.check),
    *(_show.report, _show.figures, _show.movie),
):
    app.command(_command, group=_LOOK)
for _command in (_catalogue.recipes, _catalogue.data):
    app.command(_command, group=_BEGIN)
for _command in (_exchange.export, _exchange.import_peer):
    app.command(_command, group=_EXCHANGE)


def run_app(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status; what the user did wrong is one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None under pythonw, anything in a notebook
            stream.reconfigure(errors=spell_what_streams_lack())
    if logging.lastResort is not None:  # what is not configured otherwise, and may name foreign strings
        logging.lastResort.setFormatter(_Printable())
    return _exit_status(
        lambda: app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    )


class _Printable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def _exit_status(call: Callable[[], Any]) -> int:
    try:
        status = call()
        if sys.stdout is not None:
            sys.stdout.flush()  # here, where an error still finds words
    except (SparsightError, CycloptsError) as error:
        _complain(str(error))
        return 2
    except KeyboardInterrupt as interruption:
        _complain(STOPPED)
        return 128 + getattr(interruption, "signal_number", signal.SIGINT)
    except BrokenPipeError:  # `sparsight … | head`: the reader has seen enough
        _abandon_output()
        return 128 + signal.SIGPIPE
    except OSError as error:
        where = error.filename or _output_if_full() or "a file"
        _complain(f"{where}: {error.strerror or error}")
        return 2
    return status if isinstance(status, int) else 0


def _output_if_full() -> str | None:
    """Return a name for this command's output if that is what cannot be written."""
    try:
        sys.stdout.flush()
    except OSError as error:
        _abandon_output()
        return "standard output" if error.errno != errno.EPIPE else None
    return None


def _abandon_output() -> None:
    # Python flushes stdout when it exits, which would fail again, with a traceback.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(line: str) -> None:
    with suppress(OSError):  # the terminal is gone
        print(printable(f"sparsight: {line}"), file=sys.stderr)
