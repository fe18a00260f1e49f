"""The file ``config.json`` of a model hub's folder."""

import json
from pathlib import Path
from typing import Any

from sparsight.errors import InputError
from sparsight.regular_files import read_regular

CONFIG = "config.json"


def read_config(path: Path) -> dict[str, Any]:
    """Return the content of a ``config.json``.

    Raises
    ------
    InputError
        If it is missing, or no JSON object.
    """
    try:
        return dict(json.loads(read_regular(path)))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is missing or damaged ({type(error).__name__}: {error})") from None
