"""Fields of the ``[data]`` table and options of sources that version 0.1 did not have."""

from typing import Any

# At their default they are left out of what is hashed and stored, so that the hashes of its recipes stay.
_ADDED_LATER = {"labels": "own", "unit_norm": False, "channels_last": False, "seed": None}


def without_later_defaults(values: dict[str, Any]) -> dict[str, Any]:
    """Return values without the fields of version 0.2 that have their default."""
    return {
        key: value for key, value in values.items() if key not in _ADDED_LATER or value != _ADDED_LATER[key]
    }
