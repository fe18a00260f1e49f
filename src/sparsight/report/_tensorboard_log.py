"""TensorBoard log: the numbers of a run as events, to watch several runs at once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sparsight.errors import InputError
from sparsight.store import LevelRecord, RunDirectory, read_record

_FOLDER = "tensorboard"


class TensorBoardLog:
    """Writer of every stored level to ``RUN/tensorboard/<condition>/replicate_000``.

    Over the step, counted across all levels: test loss and accuracy, training loss and learning rate. Over
    the level: density, test accuracy, and every summary of every instrument.

    Use it as a context manager, and call it for every stored level. Needs the extra ``tensorboard``.

    Raises
    ------
    InputError
        If TensorBoard is not installed.
    """

    def __init__(self, run: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise InputError(
                "--log tensorboard needs a missing package: pip install 'sparsight[tensorboard]'"
            ) from None
        self._make_writer: Any = SummaryWriter
        self._folder = run / _FOLDER
        self._writers: dict[tuple[str, int], Any] = {}
        self._num_logged: dict[tuple[str, int], int] = {}

    def __enter__(self) -> "TensorBoardLog":
        return self

    def __exit__(self, *exception: object) -> None:
        for writer in self._writers.values():
            writer.close()

    def __call__(self, directory: RunDirectory, condition: str, replicate: int, index: int) -> None:
        """Write the events of one stored level, and first those of levels that an earlier call stored."""
        records = [read_record(directory.level(condition, replicate, each)) for each in range(index + 1)]
        for each in range(self._num_logged.get((condition, replicate), 0), index + 1):
            self._write(self._writer(condition, replicate), records[: each + 1])
        self._num_logged[condition, replicate] = index + 1

    def catch_up(self, directory: RunDirectory) -> None:
        """Write the events of all stored levels that are not yet in the log.

        A run that was killed may have stored a level whose events were not written, and nothing announces
        that level again.
        """
        for replicate in directory.replicates():
            stored = directory.num_levels(*replicate)
            if stored > self._num_logged.get(replicate, 0):
                self(directory, *replicate, stored - 1)

    def _write(self, writer: Any, records: Sequence[LevelRecord]) -> None:
        """Write the events of the last of a replicate's records."""
        before = sum(record.curve.step[-1] for record in records[:-1])
        index, record = len(records) - 1, records[-1]
        for name, values in record.curve:
            if name != "step":
                for step, value in zip(record.curve.step, values, strict=True):
                    writer.add_scalar(f"training/{name}", value, before + step)
        for name, value in _numbers_of_level(record).items():
            writer.add_scalar(name, value, index)
        writer.flush()

    def _writer(self, condition: str, replicate: int) -> Any:
        key = (condition, replicate)
        if key not in self._writers:
            folder = self._folder / condition / f"replicate_{replicate:03d}"
            # All levels are written again: the files of an earlier call may lack some, and end in the middle.
            for earlier in folder.glob("events.out.tfevents.*"):
                earlier.unlink(missing_ok=True)
            self._writers[key] = self._make_writer(str(folder))
        return self._writers[key]


def _numbers_of_level(record: LevelRecord) -> dict[str, float]:
    numbers = {"level/density": record.density, "level/test_accuracy": record.test_accuracy}
    for layer, quantities in record.measures.items():
        for name, entry in quantities.items():
            if not entry.dims and entry.value is not None:
                numbers[f"{layer}/{name}"] = entry.value
    return numbers
