"""The errors that sparsight raises on purpose. Each message is one line that says how to mend the problem."""


class SparsightError(Exception):
    """Base class: the command line prints the message without a traceback and exits with status 2."""


class InputError(SparsightError, ValueError):
    """A recipe, file or argument that cannot be used as given.

    The message names the field, file or argument, what was found, what is allowed, and how to mend it.
    """


class NewerFormatError(SparsightError):
    """A file in the format of a newer version of sparsight. The file is left unchanged, never set aside."""


class DivergenceError(SparsightError, RuntimeError):
    """A training whose loss is no longer finite."""


class UnfinishedError(SparsightError):
    """A run or sweep of which a training was lost or stopped. What was stored is whole, and it can go on."""


class BusyError(SparsightError):
    """A run directory or replicate to which another process is writing."""
