"""The one error that means: the user can mend this."""


class InputError(ValueError):
    """A recipe, file or argument that cannot be used as given.

    The message is one line that names the field, file or argument, what was found, what is allowed,
    and the mend. The command line prints it without a traceback and exits with status 2.
    """
