"""``level.json``: what a level holds beside its arrays, and the digests that vouch for these."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from sparsight.errors import InputError
from sparsight.store._sealed_json import read_sealed

PAGE = "level.json"


class _Curve(BaseModel, extra="forbid"):
    step: list[int]
    train_loss: list[float]
    test_loss: list[float]
    test_accuracy: list[float]
    learning_rate: list[float]


class _Measure(BaseModel, extra="forbid"):
    dims: list[str]
    definition: str
    unit: str
    value: float | None = None


class _Page(BaseModel):
    index: int
    is_last: bool
    seed: int
    density: float
    num_kept: int
    num_prunable: int
    mask_shapes: dict[str, list[int]]
    curve: _Curve
    connectivity: dict[str, Any]
    measures: dict[str, dict[str, _Measure]]
    files: dict[str, str]


def read_record(folder: Path) -> dict[str, Any]:
    """Return the content of a level's ``level.json``.

    Raises
    ------
    InputError
        If it is missing, damaged, or lacks what a level has.
    NewerFormatError
        If a newer version wrote it.
    """
    path = folder / PAGE
    page = read_sealed(path)
    try:
        _Page.model_validate(page, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{path} is damaged: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    return page
