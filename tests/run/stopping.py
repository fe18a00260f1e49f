"""A run that is stopped between two steps again and again, and goes on each time."""

from contextlib import suppress

from sparsight.errors import UnfinishedError
from sparsight.run import _step_watch, run_recipe

_MOST_STARTS = 80


def run_with_stops(monkeypatch, recipe, path, *, every, **options):
    """Run a recipe to its end, stopping at every so manyth question; return how often it was asked."""
    asked = 0

    def stops(_):
        nonlocal asked
        asked += 1
        return asked % every == 0

    with monkeypatch.context() as patch:
        patch.setattr(_step_watch, "is_stop_requested", stops)
        for _ in range(_MOST_STARTS):
            with suppress(UnfinishedError):
                run_recipe(recipe, path, jobs=1, **options)
                return asked
    raise AssertionError(f"the run was not finished after {_MOST_STARTS} starts")
