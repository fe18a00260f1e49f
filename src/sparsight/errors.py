"""What sparsight raises on purpose; each message is one line that says what to do."""


class SparsightError(Exception):
    """Base class. The command line prints the message without a traceback and exits with status 2."""


class InputError(SparsightError, ValueError):
    """A recipe, file or argument that cannot be used as given.

    The message names the field, file or argument, what was found, what is allowed, and how to mend it.
    """


class NewerFormatError(SparsightError):
    """A file in a format that a newer version of sparsight wrote. It is left as it is, never set aside."""


class DivergenceError(SparsightError, RuntimeError):
    """The training loss is no longer finite."""


class BusyError(SparsightError):
    """Another process is writing to the run directory or the replicate."""
