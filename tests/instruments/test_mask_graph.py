import numpy as np
import pytest
import torch
from torch import nn

from sparsight.instruments import measure_network
from sparsight.measure import mask_graph
from sparsight.recipe import load_recipe
from sparsight.run import measure_again, run_recipe
from sparsight.store import open_run
from tests.short_runs import PLANE
from tests.toy import NETWORKS, linear_task, small_network


def _measured(masks, network=None, **options):
    network = network or small_network(linear_task(), widths=(12, 8))
    with torch.no_grad():
        for name, mask in masks.items():
            network.get_parameter(name).mul_(mask)
    return measure_network(network, linear_task(), masks=masks, instruments=["mask_graph"], **options)


def _masks(density, seed=0):
    torch.manual_seed(seed)
    return {"linear_0.weight": torch.rand(12, 24) < density, "linear_1.weight": torch.rand(8, 12) < density}


def test_values_are_those_of_the_mask_and_paths_those_of_the_product_of_masks():
    masks = _masks(0.3)
    found = _measured(masks)
    first, second = (masks[f"linear_{depth}.weight"].numpy() for depth in (0, 1))
    graph = mask_graph(second)
    named = found["linear_1"]
    assert float(named["mask_graph.second_singular_value"]) == graph.second_singular_value
    assert float(named["mask_graph.num_components"]) == graph.num_components
    assert float(named["mask_graph.num_paths"]) == (second.astype(int) @ first.astype(int)).sum()
    assert float(found["linear_0"]["mask_graph.num_paths"]) == first.sum()
    assert named["mask_graph.singular_values"].values[:8] == pytest.approx(graph.singular_values)
    assert np.isnan(named["mask_graph.singular_values"].values[8:]).all()


def test_dead_units_have_no_input_or_no_reader():
    masks = _masks(0.9)
    masks["linear_0.weight"][2] = False
    masks["linear_1.weight"][:, 2] = False
    masks["linear_1.weight"][:, 5] = False
    found = _measured(masks)["linear_0"]
    assert float(found["mask_graph.num_dead_units"]) == 2
    assert float(found["mask_graph.num_without_inputs"]) == 1
    assert float(found["mask_graph.num_without_inputs_uniform"]) == 0


def test_a_random_mask_is_like_its_null_and_planted_blocks_are_not():
    def gap(mask, quantity):
        network = nn.Sequential(nn.Linear(24, 36), nn.ReLU(), nn.Linear(36, 2))
        nn.init.ones_(network[0].weight)  # so that a block has rank 1; with random weights it has full rank
        named = _measured({"0.weight": torch.from_numpy(mask)}, network)["0"]
        own, null = (float(named[f"mask_graph.{quantity}{end}"]) for end in ("", "_configuration"))
        return own / null

    random = np.random.default_rng(0).random((36, 24)) < 0.25
    blocks = np.kron(np.eye(4), np.ones((9, 6))).astype(bool)  # as many weights
    assert gap(random, "second_singular_value") == pytest.approx(1, abs=0.1)
    assert gap(random, "effective_rank") == pytest.approx(1, abs=0.05)
    assert gap(blocks, "second_singular_value") > 1.5
    assert gap(blocks, "effective_rank") < 0.3
    assert gap(blocks, "num_components") == 4
    assert gap(random, "weight_effective_rank") == pytest.approx(1, abs=0.05)
    assert gap(blocks, "weight_effective_rank") < 0.3


def test_the_null_of_the_weights_keeps_each_units_weights():
    # A unit of far larger weights than all others stays so under the null: the effective rank stays low.
    network = nn.Sequential(nn.Linear(24, 36), nn.ReLU(), nn.Linear(36, 2))
    mask = torch.rand(36, 24, generator=torch.Generator().manual_seed(0)) < 0.5
    with torch.no_grad():
        network[0].weight[3] *= 1e4
    named = _measured({"0.weight": mask}, network)["0"]
    assert float(named["mask_graph.weight_effective_rank_configuration"]) < 1.5


@pytest.mark.parametrize("name", NETWORKS)
def test_works_on_other_modules_without_paths(name):
    make, layers = NETWORKS[name]
    found = measure_network(make(), linear_task(), layers=layers, instruments=["mask_graph"])[layers[0]]
    assert float(found["mask_graph.num_components"]) == 1
    assert "mask_graph.num_paths" not in found


def test_an_empty_mask_has_undefined_values_and_no_error():
    found = _measured({"linear_0.weight": torch.zeros(12, 24, dtype=torch.bool)})["linear_0"]
    assert float(found["mask_graph.num_components"]) == 0
    assert np.isnan(found["mask_graph.effective_rank"])
    assert np.isnan(found["mask_graph.second_over_bound"])
    assert float(found["mask_graph.num_dead_units"]) == 12


def test_a_run_stores_both_instruments_and_measuring_again_gives_the_same(tmp_path):
    recipe = load_recipe(PLANE, ["replicates=1", "measure.instruments=['mask_graph', 'sharpness']"])
    path = tmp_path / "run"
    directory = run_recipe(recipe, path, jobs=1)
    run = open_run(path)
    assert "network" not in run.layers()
    frame = run.frame()
    sharp = frame[frame["quantity"] == "sharpness.largest_eigenvalue"]
    assert set(sharp["layer"]) == {"network"}
    assert len(sharp) == len(frame[["condition", "replicate", "level"]].drop_duplicates())
    assert run.dataset()["mask_graph.effective_rank"].notnull().any()
    measure_again(directory)
    again = open_run(path).frame()
    np.testing.assert_allclose(frame["value"], again["value"], rtol=1e-5, equal_nan=True)
