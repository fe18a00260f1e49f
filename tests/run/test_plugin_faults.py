"""Plug-ins that return nothing, return something else, or end the program: one line, and never exit status 0.

Source files: `prune/_masks.py`, `instruments/_network.py`, `run/_plugin_exits.py`.
"""

import sys

import numpy as np
import pytest
import torch

from sparsight.cli import main
from sparsight.data import SOURCES
from sparsight.errors import InputError
from sparsight.instruments import INSTRUMENTS, Quantity
from sparsight.prune import CRITERIA
from sparsight.recipe import load_recipe
from sparsight.run import measure_again, run_recipe
from sparsight.store import RunDirectory, check_run
from tests.run.run_digests import digests
from tests.short_runs import PLANE, SHORT

CRITERIA_AT_FAULT = {
    "nothing": (lambda _: None, "scores are None"),
    "a list": (lambda trained: list(trained.masks), "a dict is needed"),
    "one tensor": (lambda trained: trained.parameters()["linear_0.weight"], "a dict is needed"),
    "other names": (
        lambda trained: {"linear_0": trained.parameters()["linear_0.weight"]},
        "give one of each",
    ),
    "too few": (lambda _: {}, "give one of each"),
    "numbers as names": (lambda trained: dict(enumerate(trained.parameters().values())), "give one of each"),
    "arrays": (
        lambda trained: {name: value.numpy() for name, value in trained.parameters().items()},
        "a tensor of reals is needed",
    ),
    "another shape": (
        lambda trained: {name: value[:1] for name, value in trained.parameters().items()},
        "have shape",
    ),
}
INSTRUMENTS_AT_FAULT = {
    "nothing": (lambda _: None, "returned None"),
    "a number": (lambda _: 3.0, "a dict of quantities by name is needed"),
    "numbers": (lambda _: {"height": 3.0}, "a sparsight.instruments.Quantity is needed"),
    "numbers as names": (lambda _: {1: Quantity(1.0, (), "one")}, "under a name"),
    "axes without names": (lambda _: {"height": Quantity(np.ones(3), (), "one")}, "name every axis"),
    "names without axes": (lambda _: {"height": Quantity(1.0, ("unit",), "one")}, "name every axis"),
}


def leave(_):
    sys.exit(0)


def leave_as_source(*, seed):
    sys.exit(0)


def recipe(**replaced):
    return load_recipe(PLANE, [*SHORT, *(f"{name}={value!r}" for name, value in replaced.items())])


@pytest.mark.parametrize("fault", CRITERIA_AT_FAULT)
def test_a_criterion_that_returns_something_else_is_refused_in_words(monkeypatch, tmp_path, fault):
    function, said = CRITERIA_AT_FAULT[fault]
    monkeypatch.setitem(CRITERIA, "mine", function)
    with pytest.raises(InputError, match=said) as caught:
        run_recipe(recipe(**{"pruning.criterion": "mine"}), tmp_path / "run", jobs=1)
    assert "\n" not in str(caught.value)


def test_scores_that_share_their_memory_are_ranked_like_others(monkeypatch, tmp_path):
    """A tensor of stride 0 has the right shape and one number."""
    equal = {
        "shared": lambda trained: {n: torch.zeros(1).expand(m.shape) for n, m in trained.masks.items()},
        "apart": lambda trained: {n: torch.zeros(m.shape) for n, m in trained.masks.items()},
    }
    for name, function in equal.items():
        monkeypatch.setitem(CRITERIA, name, function)
        run_recipe(recipe(**{"pruning.criterion": name}), tmp_path / name, jobs=1)
    found, expected = digests(tmp_path / "shared"), digests(tmp_path / "apart")
    arrays = [name for name in found if name.endswith("safetensors")]
    assert {name: found[name] for name in arrays} == {name: expected[name] for name in arrays}


@pytest.mark.parametrize("fault", INSTRUMENTS_AT_FAULT)
def test_an_instrument_that_returns_something_else_is_refused_in_words(monkeypatch, short_copy, fault):
    function, said = INSTRUMENTS_AT_FAULT[fault]
    monkeypatch.setitem(INSTRUMENTS, "mine", function)
    before = digests(short_copy)
    with pytest.raises(InputError, match=said) as caught:
        measure_again(RunDirectory.open(short_copy), ["mine"])
    assert "\n" not in str(caught.value)
    assert digests(short_copy) == before


@pytest.mark.parametrize("registry", ["criterion", "instrument", "source"])
def test_a_plugin_that_ends_the_program_is_named_and_the_exit_status_is_not_0(
    monkeypatch, tmp_path, capsys, registry
):
    chosen = {
        "criterion": (CRITERIA, "pruning.criterion='mine'"),
        "instrument": (INSTRUMENTS, "measure.instruments=['mine']"),
        "source": (SOURCES, "data.source='mine'"),
    }
    names, override = chosen[registry]
    monkeypatch.setitem(names, "mine", leave_as_source if registry == "source" else leave)
    settings = [word for each in (*SHORT, override) for word in ("--set", each)]
    with pytest.raises(SystemExit) as ended:
        main(["run", str(PLANE), *settings, "--jobs", "1", "--out", str(tmp_path / "run")])
    assert ended.value.code == 2
    assert "a plug-in ended the program with sys.exit(0)" in " ".join(capsys.readouterr().err.split())


def test_measuring_with_an_instrument_that_ends_the_program_loses_nothing(monkeypatch, short_copy):
    monkeypatch.setitem(INSTRUMENTS, "mine", leave)
    before = digests(short_copy)
    with pytest.raises(InputError, match="ended the program"):
        measure_again(RunDirectory.open(short_copy), ["mine"])
    assert digests(short_copy) == before
    assert check_run(RunDirectory.open(short_copy))[0] == []
