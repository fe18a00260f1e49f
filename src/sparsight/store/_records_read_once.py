"""A run directory at one moment: the record of each level is read once, and kept."""

from pathlib import Path

from sparsight.recipe import Recipe
from sparsight.store._level_record import LevelRecord
from sparsight.store._run_directory import RunDirectory


class RecordsReadOnce(RunDirectory):
    """A run directory for reading. Levels are counted when they are first asked for.

    To read a record means to parse, to verify and to validate it: a report that reads every record a dozen
    times spends a third of its time on that. Arrays are not kept.
    """

    def __init__(self, path: Path, recipe: Recipe) -> None:
        super().__init__(path, recipe)
        self._counts: dict[tuple[str, int], int] = {}
        self._records: dict[tuple[str, int, int], LevelRecord] = {}

    def num_levels(self, condition: str, replicate: int) -> int:
        """Return the number of levels that were stored when it was first asked for."""
        each = condition, replicate
        if each not in self._counts:
            self._counts[each] = super().num_levels(condition, replicate)
        return self._counts[each]

    def record(self, condition: str, replicate: int, index: int) -> LevelRecord:
        """Return the record of one stored level as it was when it was first read."""
        each = condition, replicate, index
        if each not in self._records:
            self._records[each] = super().record(condition, replicate, index)
        return self._records[each]
