"""Epinets on stored networks."""

import pytest

from sparsight.errors import InputError
from sparsight.recipe import load_recipe
from sparsight.run import epinets, run_recipe
from sparsight.store import intervals_by_level, open_run
from sparsight.train import EpinetTraining
from tests import toy  # noqa: F401 - registers the source `plane`
from tests.short_runs import PLANE

_SHORT = ["measure.instruments=[]", "measure.num_samples=60", "training.steps=10", "pruning.max_levels=1"]
_FEW = EpinetTraining(steps=20, batch_size=32, num_indices=4)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("epinets") / "run"
    run_recipe(load_recipe(PLANE, _SHORT), path, jobs=1)
    return open_run(path)


def value(table, quantity, level=1):
    chosen = table[(table["quantity"] == quantity) & (table["level"] == level) & (table["replicate"] == 0)]
    return float(chosen["value"].iloc[0])


def test_an_epinet_knows_together_what_its_network_does_not(run):
    table = epinets(run, ["imp"], training=_FEW)
    assert value(table, "base.joint_gain") == pytest.approx(0, abs=1e-10)
    assert value(table, "base.disagreement") == 0
    assert value(table, "epinet.joint_gain") > 0.001
    assert value(table, "epinet.marginal_nll") != value(table, "untrained.marginal_nll")
    stored = run.level("imp", 0, 1).record
    assert value(table, "base.accuracy") == pytest.approx(stored.test_accuracy, abs=0.15)  # of 60, not 100
    means = intervals_by_level(table, "epinet.joint_nll", "network")
    assert list(means["num_replicates"]) == [2, 2]
    assert list(means["level"]) == [0, 1]


def test_untrained_members_differ_by_chance_alone_and_no_prior_differs_less(run):
    none = EpinetTraining(steps=0)
    with_prior, without = (epinets(run, ["random"], training=none, prior_scale=scale) for scale in (3.0, 0.0))
    assert value(with_prior, "epinet.joint_nll") == value(with_prior, "untrained.joint_nll")
    assert value(with_prior, "epinet.disagreement") > value(without, "epinet.disagreement")
    assert value(with_prior, "base.joint_nll") == value(without, "base.joint_nll")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"conditions": ["x"]}, "no condition is called 'x'"),
        ({"conditions": []}, "holds no level of no condition"),
        ({"num_members": 1}, "num_members is 1"),
        ({"num_samples": 0}, "num_samples is 0"),
        ({"index_size": 0}, "index_size is 0"),
    ],
)
def test_wrong_options_are_named(run, options, words):
    with pytest.raises(InputError, match=words):
        epinets(run, **options)
