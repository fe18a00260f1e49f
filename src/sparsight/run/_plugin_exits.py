"""Plug-ins that end the program: with ``sys.exit(0)`` nothing would say that the work was not done."""

from collections.abc import Iterator
from contextlib import contextmanager

from sparsight.errors import InputError


@contextmanager
def refusing_exit() -> Iterator[None]:
    """Turn the `SystemExit` of a user's criterion, instrument or data source into an `InputError`."""
    try:
        yield
    except SystemExit as end:
        raise InputError(
            f"a plug-in ended the program with sys.exit({end.code!r}): let it return, or raise an error that "
            "says what is wrong"
        ) from end
