"""The record of a level, ``level.json``: its scalars, its training curve, and digests of its other files."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from sparsight.errors import InputError
from sparsight.store._sealed_json import read_sealed

RECORD = "level.json"


class _RecordedCurve(BaseModel, extra="forbid", frozen=True):
    """The columns of a `sparsight.train.Curve`."""

    step: list[int]
    train_loss: list[float]
    test_loss: list[float]
    test_accuracy: list[float]
    learning_rate: list[float]

    @model_validator(mode="after")
    def _has_rows(self) -> "_RecordedCurve":
        if len({len(column) for _, column in self}) > 1 or not self.step:
            raise ValueError("its columns are empty or differ in length")
        return self


class _RecordedConnectivity(BaseModel, extra="allow", frozen=True):
    """Units and layers that a path of kept weights still joins to input and output."""

    num_units: int
    num_connected: int
    severed_layers: list[str]
    has_path: bool


class RecordedQuantity(BaseModel, extra="forbid", frozen=True):
    """A quantity that an instrument found, with the names of its axes; a number has none.

    Arrays are in ``measures.safetensors``. `value` is for numbers; it is None for NaN, which JSON cannot
    hold. `num_classes` is for arrays that leave out classes without values: the number of all classes.
    """

    dims: list[str]
    definition: str
    unit: str
    value: float | None = None
    num_classes: int | None = None


class LevelRecord(BaseModel):
    """The content of ``level.json``. Further keys are allowed, and kept when the record is written again.

    Attributes
    ----------
    index : int
        Number of the level; 0 is dense.
    density : float
        Kept weights / prunable weights.
    mask_shapes : dict of str to list of int
        By name of the masked parameter.
    curve
        A row for each evaluation, column by column, as in `sparsight.train.Curve`.
    connectivity
        Counts of units with a path from input to output, and layers without a kept weight.
    kernels : dict of str to str
        How each layer was multiplied.
    train_seconds, measure_seconds : float
        Wall-clock time. Training took none where `trained_by` names another condition.
    threads, together : int
        Threads of the process, and replicates trained as one program.
    made_with : dict
        Versions, processor, GPU and random streams that the level was trained with.
    own_code : dict of str to (str or None)
        SHA-256 of the user's own functions that made and measured the level, such as ``criterion mine``; None
        where Python does not know the source.
    crossovers : dict of str to float
        Densities below which layers of a shape train on kept weights, as they were when the level began.
    data : str
        SHA-256 over the digests of its data.
    identity : dict
        Condition, number, seed and settings of the replicate.
    snapshots : dict
        Numbers measured during training: steps taken → layer name → quantity name → number, None for NaN.
        Definitions are those of `measures`.
    trained_by : str or None
        The condition that trained this level, where another one had trained the same. Its masks after
        pruning and its measures are those of this condition.
    measures : dict
        Layer name → quantity name → quantity.
    files : dict of str to str
        SHA-256 of the other files of the level, by name.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    # In the order of the file: a level that is measured again gets the same bytes.
    index: int
    is_last: bool
    seed: int
    density: float
    num_kept: int
    num_prunable: int
    mask_shapes: dict[str, list[int]]
    curve: _RecordedCurve
    connectivity: _RecordedConnectivity
    kernels: dict[str, str] = {}
    train_seconds: float = 0.0
    measure_seconds: float = 0.0
    threads: int = 1
    together: int = 1
    cuda_graph: bool = False
    made_with: dict[str, Any] = {}
    own_code: dict[str, str | None] = {}
    crossovers: dict[str, float] = {}
    data: str | None = None
    identity: dict[str, Any] = {}
    snapshots: dict[str, dict[str, dict[str, float | None]]] = {}
    trained_by: str | None = None
    measures: dict[str, dict[str, RecordedQuantity]]
    files: dict[str, str]
    format_version: int = 1

    @property
    def test_accuracy(self) -> float:
        """Accuracy on the test split after the last step."""
        return self.curve.test_accuracy[-1]


def read_record(folder: Path) -> LevelRecord:
    """Return the content of a level's ``level.json``.

    Raises
    ------
    InputError
        If the file is missing, is damaged, or lacks what every level has.
    NewerFormatError
        If a newer version wrote it.
    """
    path = folder / RECORD
    try:
        return LevelRecord.model_validate(read_sealed(path), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{path} is damaged: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
