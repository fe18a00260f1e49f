import numpy as np
import pytest
import torch

from sparsight.errors import InputError
from sparsight.measure import linear_cka
from sparsight.network import FullyConnected
from sparsight.recipe import load_recipe
from sparsight.run import representation_similarities, run_recipe
from sparsight.store import open_run
from tests.short_runs import PLANE


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("representations") / "run"
    run_recipe(load_recipe(PLANE, ["measure.instruments=[]", "network.batch_norm=none"]), path, jobs=1)
    return open_run(path)


@pytest.fixture(scope="module")
def found(run):
    return representation_similarities(run)


def _hidden(run, condition, replicate, level, inputs):
    network = FullyConnected(24, 2, run.recipe.condition(condition).network)
    network.load_state_dict(run.level(condition, replicate, level).final)
    with torch.no_grad():
        return network.linear_0(inputs).numpy(), network(inputs).numpy()


def test_the_dense_network_is_like_itself_and_pruned_ones_less_so(found):
    own = found[found["quantity"] == "cka_with_dense"]
    assert own[own["level"] == 0]["value"].to_numpy() == pytest.approx(1, abs=1e-9)
    assert (own[own["level"] == 2]["value"] < 0.99).all()
    assert set(own["layer"]) == {"linear_0", "linear_1"}


def test_values_are_those_of_the_stored_networks(run, found):
    for row in found.itertuples():
        inputs, _ = run.task(row.condition, row.replicate).samples("test", 0, 80)
        depth = ["linear_0", "linear_1"].index(row.layer)
        dense = _hidden(run, row.condition, row.replicate, 0, inputs)[depth]
        replicate = row.replicate if row.quantity == "cka_with_dense" else 1 - row.replicate
        other = _hidden(run, row.condition, replicate, row.level, inputs)[depth]
        assert row.value == pytest.approx(linear_cka(other, dense), rel=1e-5)
        assert np.isfinite(row.value)


def test_too_few_samples_are_refused(run):
    with pytest.raises(InputError, match="four or more"):
        representation_similarities(run, num_samples=3)
