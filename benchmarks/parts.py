"""Where the time of the default run goes: imports, data, twin, loops, training, measuring, files, report.

Run with ``python -m benchmarks --only parts``. One replicate of each condition of ``nlgp-2d``, in one process
on one thread, in processor seconds. Compiling the loops is the difference between making a few fields with an
empty and with a filled cache, each in a fresh process; a run pays for it once on a machine. The loops of the
sparse step are not among them, since the recipe trains dense layers.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from sparsight.recipe import TasksOfOneData, load_recipe
from sparsight.report import write_report
from sparsight.run import _replicates, run_recipe
from sparsight.store import open_run
from sparsight.train import Trainer

ROOT = Path(__file__).parents[1]
RECIPE = "nlgp-2d"
SHORT = ("training.steps=150", "pruning.max_levels=1", "data.num_train=4000")
_IMPORTS = """
import sparsight.cli._run, sparsight.run._replicates
from sparsight.recipe import load_recipe
from sparsight.run import run_recipe
from sparsight.report import write_report
"""
_LOOPS = f"""
from sparsight.recipe import load_recipe
load_recipe({RECIPE!r}, ["data.num_train=200", "data.num_test=100"]).condition("imp").data.build(0)
"""


def measured(short: bool = False) -> dict[str, float]:
    """Return processor seconds by part."""
    with tempfile.TemporaryDirectory() as folder:
        cold = child_seconds(_LOOPS, NUMBA_CACHE_DIR=folder)
        warm = child_seconds(_LOOPS, NUMBA_CACHE_DIR=folder)
        parts = {"imports": child_seconds(_IMPORTS), "compiling the loops, once on a machine": cold - warm}
        return parts | run_parts(Path(folder) / "run", short)


def child_seconds(code: str, **environment: str) -> float:
    """Return the processor seconds of a fresh interpreter that runs some code."""
    before = os.times()
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
    )
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def run_parts(path: Path, short: bool) -> dict[str, float]:
    """Run the recipe and report on it; return the seconds of each part, and of what none of them is."""
    torch.set_num_threads(1)
    spent: dict[str, float] = {}
    places: tuple[tuple[str, Any, str], ...] = (
        ("data and twin", TasksOfOneData, "build"),
        ("training", Trainer, "run"),
        ("measuring", _replicates, "measure"),
        ("writing levels", _replicates, "write_level"),
    )
    kept = [(owner, name, getattr(owner, name)) for _, owner, name in places]
    start = time.process_time()
    try:
        for part, owner, name in places:
            setattr(owner, name, _counting(getattr(owner, name), part, spent))
        run_recipe(load_recipe(RECIPE, ["replicates=1", *(SHORT if short else ())]), path, jobs=1)
    finally:
        for owner, name, function in kept:
            setattr(owner, name, function)
    spent["planning, checks and the rest"] = time.process_time() - start - sum(spent.values())
    start = time.process_time()
    write_report(open_run(path))
    spent["report and figures"] = time.process_time() - start
    return spent


def _counting(function: Callable[..., Any], part: str, spent: dict[str, float]) -> Callable[..., Any]:
    def counted(*arguments: Any, **options: Any) -> Any:
        start = time.process_time()
        try:
            return function(*arguments, **options)
        finally:
            spent[part] = spent.get(part, 0.0) + time.process_time() - start

    return counted
