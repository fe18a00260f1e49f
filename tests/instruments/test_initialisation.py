import numpy as np
import pytest

from sparsight.recipe import load_recipe
from sparsight.run import measure_again, run_recipe
from sparsight.store import read_level, read_measures

_SMALL = [
    "replicates=1", "data.num_train=300", "data.num_test=100", "data.size=[48]", "network.widths=[8]",
    "training.steps=30", "training.batch_size=50", "pruning.max_levels=2", "pruning.rate=0.5",
    "measure.num_samples=100", 'measure.instruments=["initialisation"]', "conditions={imp={}}",
]  # fmt: skip


@pytest.mark.parametrize("rewind", ["init", "step:10", "lr"])
def test_a_run_stores_it_and_measuring_again_gives_the_same(tmp_path, rewind):
    recipe = load_recipe("nlgp-1d", [*_SMALL, f'pruning.rewind="{rewind}"'])
    directory = run_recipe(recipe, tmp_path / "run", jobs=1)
    folders = [directory.level("imp", 0, index) for index in range(3)]
    before = [read_measures(folder) for folder in folders]
    for folder in folders:
        named = read_measures(folder)["linear_0"]
        stored = read_level(folder)
        mask, kept = (masks["linear_0.weight"].numpy() for masks in (stored.masks, stored.next_masks))
        assert named["initialisation.foretold_share_chance"].value == pytest.approx(
            1 - kept.sum() / mask.sum()
        )
        assert 0 < named["initialisation.rank_correlation"].value < 1
    measure_again(directory)
    for folder, measured in zip(folders, before, strict=True):
        again = read_measures(folder)
        for layer, quantities in measured.items():
            for name, quantity in quantities.items():
                np.testing.assert_array_equal(again[layer][name].value, quantity.value)


def test_with_a_tiny_learning_rate_the_mask_is_that_of_the_initialisation(tmp_path):
    recipe = load_recipe(
        "nlgp-1d", [*_SMALL, "training.learning_rate=1e-6", "pruning.max_levels=0", 'pruning.rewind="init"']
    )
    directory = run_recipe(recipe, tmp_path / "run", jobs=1)
    found = read_measures(directory.level("imp", 0, 0))["linear_0"]
    assert found["initialisation.rank_correlation"].value > 0.9999
    assert found["initialisation.foretold_share"].value > 0.99
    assert found["initialisation.same_sign_share"].value == 1
