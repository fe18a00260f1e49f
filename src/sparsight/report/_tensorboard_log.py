"""A run's numbers as TensorBoard events, for those who watch several runs at once."""

from pathlib import Path
from typing import Any

from sparsight.errors import InputError
from sparsight.store import LevelRecord, RunDirectory, read_record

FOLDER = "tensorboard"


class TensorBoardLog:
    """Writes every level, once it is stored, to ``RUN/tensorboard/<condition>/replicate_000``.

    Against the step, counted over all levels: test loss and accuracy, training loss and learning rate.
    Against the level: density, and every summary of every instrument.

    Use as a context. Needs the extra ``tensorboard``.

    Parameters
    ----------
    run : Path
        The run directory.

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
                "--log tensorboard needs a package that is not here: pip install 'sparsight[tensorboard]'"
            ) from None
        self._make_writer: Any = SummaryWriter
        self._folder = run / FOLDER
        self._writers: dict[tuple[str, int], Any] = {}

    def __enter__(self) -> "TensorBoardLog":
        return self

    def __exit__(self, *exception: object) -> None:
        for writer in self._writers.values():
            writer.close()

    def __call__(self, directory: RunDirectory, condition: str, replicate: int, index: int) -> None:
        """Write one stored level."""
        unit = (condition, replicate)
        if unit not in self._writers:
            folder = self._folder / condition / f"replicate_{replicate:03d}"
            self._writers[unit] = self._make_writer(str(folder))
        record = read_record(directory.level(*unit, index))
        before = sum(read_record(directory.level(*unit, earlier)).curve.step[-1] for earlier in range(index))
        for name, values in record.curve:
            if name != "step":
                for step, value in zip(record.curve.step, values, strict=True):
                    self._writers[unit].add_scalar(f"training/{name}", value, before + step)
        for name, value in _numbers_of_level(record).items():
            self._writers[unit].add_scalar(name, value, index)
        self._writers[unit].flush()


def _numbers_of_level(record: LevelRecord) -> dict[str, float]:
    numbers = {"level/density": record.density, "level/test_accuracy": record.test_accuracy}
    for layer, quantities in record.measures.items():
        for name, entry in quantities.items():
            if not entry.dims and entry.value is not None:
                numbers[f"{layer}/{name}"] = entry.value
    return numbers
