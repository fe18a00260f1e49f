"""The one folder outside a run that sparsight writes to."""

import os
from pathlib import Path

from platformdirs import user_cache_dir


def cache_folder() -> Path:
    """Return where downloads and converted data go: the user's cache, or what ``SPARSIGHT_CACHE`` names."""
    return Path(os.environ.get("SPARSIGHT_CACHE") or user_cache_dir("sparsight"))
