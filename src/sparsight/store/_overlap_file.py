"""overlap.json: how alike a run's masks and representations are, for its report to show."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from sparsight.errors import InputError
from sparsight.store._containment import refuse_link
from sparsight.store._results import Run
from sparsight.store._sealed_json import read_sealed, write_sealed

OVERLAP = "overlap.json"

_Number = float | None  # None stands for NaN, which JSON lacks


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Overlap(_Row):
    """A row of `overlap_intervals`."""

    between: Literal["seeds", "conditions", "levels"]
    condition: str
    other_condition: str
    layer: str
    null: Literal["uniform", "fan_in", "configuration"]
    matched: bool
    level: int
    density: float
    mean: _Number
    low: _Number
    high: _Number
    num_replicates: int
    by_replicate: list[_Number]


class _Similarity(_Row):
    """A row of `representation_similarities`."""

    condition: str
    replicate: int
    level: int
    density: float
    layer: str
    quantity: Literal["cka_with_dense", "cka_with_another_seed"]
    value: _Number


class _Content(BaseModel):
    overlaps: list[_Overlap]
    similarities: list[_Similarity]


def write_overlap(run: Run, intervals: pd.DataFrame, similarities: pd.DataFrame | None = None) -> Path:
    """Write ``overlap.json`` into a run, and return its path.

    Parameters
    ----------
    intervals : pandas.DataFrame
        Comparisons within the run, as from `overlap_intervals`.
    similarities : pandas.DataFrame, optional
        As from `sparsight.run.representation_similarities`.
    """
    path = run.path / OVERLAP
    refuse_link(path)
    content = {
        "overlaps": _records(intervals),
        "similarities": [] if similarities is None else _records(similarities),
    }
    write_sealed(path, content)
    return path


def read_overlap(run: Run) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Read what `write_overlap` wrote; None if it never did.

    Raises
    ------
    InputError
        If the file is damaged, or speaks of other conditions than the run has.
    """
    path = run.path / OVERLAP
    if not path.is_file():
        return None
    sealed = read_sealed(path)
    mend = f"delete it, or write it again: sparsight overlap {run.path}"
    try:
        content = _Content.model_validate({key: sealed.get(key) for key in _Content.model_fields})
    except ValidationError as error:
        where = error.errors()[0]
        raise InputError(f"{path} is damaged ({where['loc']}: {where['msg']}): {mend}") from None
    known = set(run.recipe.condition_names())
    named = {name for row in content.overlaps for name in (row.condition, row.other_condition)}
    named |= {row.condition for row in content.similarities}
    if named - known:
        raise InputError(f"{path} speaks of conditions that the run lacks: {mend}")
    return _table(content.overlaps, _Overlap), _table(content.similarities, _Similarity)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): _plain(value) for name, value in row.items()} for row in table.to_dict("records")]


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _table(rows: list[Any], kind: type[BaseModel]) -> pd.DataFrame:
    return pd.DataFrame([_filled(row.model_dump()) for row in rows], columns=list(kind.model_fields))


def _filled(row: Mapping[str, Any]) -> dict[str, Any]:
    filled = {name: math.nan if value is None else value for name, value in row.items()}
    if "by_replicate" in filled:
        filled["by_replicate"] = tuple(math.nan if value is None else value for value in row["by_replicate"])
    return filled
