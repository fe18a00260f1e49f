"""Whatever takes a path takes it as text too."""

import inspect
import re
import typing
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

import sparsight
from sparsight import interchange, report, run, store, sweep

REFERENCE = Path(__file__).parents[1] / "docs" / "reference" / "python.md"


def public_functions():
    """Every function of the reference, of the top level and of the rooms for files, runs and sweeps."""
    for dotted in re.findall(r"^::: (\S+)$", REFERENCE.read_text(encoding="utf-8"), re.MULTILINE):
        module, _, name = dotted.rpartition(".")
        yield dotted, getattr(import_module(module), name)
    for room in (sparsight, interchange, report, run, store, sweep):
        for name in dir(room):
            if not name.startswith("_") and callable(getattr(room, name)):
                yield f"{room.__name__}.{name}", getattr(room, name)


FUNCTIONS = {name: function for name, function in public_functions() if inspect.isfunction(function)}
INTERNAL = {
    "sparsight.store": (
        "write_", "read_", "set_", "check_", "owner_", "refuse_", "forget_", "recorded_", "exclusive_"
    ),
    "sparsight.run": ("stopping_on_signals", "request_stop", "run_replicates"),
}  # fmt: skip
"""Room → the beginnings of names that it offers to other rooms and not to users."""


def members(annotation):
    """The types in an annotation, inside unions and sequences; what a callable takes is its own affair."""
    if typing.get_origin(annotation) is Callable:
        return {Callable}
    inner = typing.get_args(annotation)
    return (
        {annotation}
        if not inner or typing.get_origin(annotation) is typing.Literal
        else set().union(*map(members, inner))
    )


def is_for_users(name):
    room, _, own = name.rpartition(".")
    return not own.startswith(INTERNAL.get(room, ("/",)))


def test_every_public_path_may_be_text():
    only_paths = [
        f"{name}({parameter})"
        for name, function in FUNCTIONS.items()
        if is_for_users(name)
        for parameter, annotation in typing.get_type_hints(function).items()
        if parameter != "return" and Path in members(annotation) and str not in members(annotation)
    ]
    assert not only_paths
    assert any(
        Path in members(each) for each in typing.get_type_hints(FUNCTIONS["sparsight.run_recipe"]).values()
    )


def test_runs_are_made_read_and_written_by_text(short_recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plugin = tmp_path / "plug.py"
    plugin.write_text("loaded = True\n")
    directory = sparsight.run_recipe(short_recipe, "runs/mine", jobs=1, plugins=[str(plugin)])
    assert directory.path == Path("runs/mine")
    made = sparsight.open_run("runs/mine")
    assert sparsight.write_report(made, path="report.html").is_file()
    assert all(path.is_file() for path in sparsight.write_figures(made, "figures", ["svg"]))
    assert sparsight.write_movie(made, "movie.gif").is_file()
    assert interchange.export_level(made, condition="imp", replicate=0, out="a.pt").is_file()
    assert interchange.read_state("a.pt").keys() == interchange.read_state(Path("a.pt")).keys()


@pytest.mark.parametrize("kind", [str, Path])
def test_sweeps_are_planned_and_opened_by_text(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    plane = Path(__file__).parent / "plane.toml"
    Path("rates.toml").write_text(f'recipe = "{plane}"\n[grid]\npruning.rate = [0.2, 0.3]\n')
    plan = sweep.plan_sweep(kind("rates.toml"), kind("out"))
    assert plan.directory.path == Path("out")
    assert sweep.folder_of(kind("out")) == Path("out")
    assert sweep.open_sweep(kind("out")).path == Path("out")
