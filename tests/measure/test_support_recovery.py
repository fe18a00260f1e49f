import itertools

import numpy as np
import pytest
from scipy import stats

from sparsight.errors import InputError
from sparsight.measure import input_auroc, support_recovery


def planted(num_units=3, size=5, num_inputs=40):
    found = np.zeros((num_units, num_inputs), dtype=bool)
    for unit, row in enumerate(found):
        row[unit * size : (unit + 1) * size] = True
    return found


def random_mask(shape, density, seed):
    return np.random.default_rng(seed).random(shape) < density


def test_the_planted_mask_is_recovered_whole_in_any_order_and_among_others():
    support = planted()
    mask = np.concatenate([support, random_mask((9, 40), 0.1, 0)])
    for seed in range(3):
        found = support_recovery(np.random.default_rng(seed).permutation(mask), support)
        assert found.precision == found.recall == 1
        assert found.precision_expected < 0.8


def test_a_dense_mask_recalls_everything_at_the_precision_of_chance():
    found = support_recovery(np.ones((8, 40), dtype=bool), planted())
    assert found.recall == found.recall_expected == 1
    assert found.precision == found.precision_expected == pytest.approx(5 / 40)
    assert found.input_precision == found.input_precision_low == found.input_precision_high == 15 / 40


def test_matching_is_the_best_of_all_pairings():
    support, mask = planted(), random_mask((5, 40), 0.2, 4)
    found = support_recovery(mask, support)

    def fit(order):
        return sum(
            (mask[unit] & row).sum() ** 2 / (max(mask[unit].sum(), 1) * row.sum())
            for unit, row in zip(order, support, strict=True)
        )

    best = max(itertools.permutations(range(5), 3), key=fit)
    shared = sum((mask[unit] & row).sum() for unit, row in zip(best, support, strict=True))
    assert found.precision == pytest.approx(shared / mask[list(best)].sum())
    assert found.recall == pytest.approx(shared / 15)


def test_random_masks_have_the_precision_of_chance_as_often_as_the_interval_says():
    support = planted()
    inside, matched = [], []
    for seed in range(300):
        ranks = np.random.default_rng(seed).permutation(12 * 40).reshape(12, 40)
        found = support_recovery(ranks < 60, support, num_draws=5, seed=seed)
        inside.append(found.input_precision_low <= found.input_precision <= found.input_precision_high)
        matched.append(found.precision - found.precision_expected)
    assert stats.binomtest(sum(inside), 300, 0.95).pvalue > 1e-3 or np.mean(inside) > 0.95
    assert abs(np.mean(matched)) < 4 * np.std(matched) / np.sqrt(300)
    assert np.mean(matched) > -0.05


def test_more_planted_units_than_units_are_not_recovered():
    support = planted()
    found = support_recovery(support[:2], support)
    assert found.precision == 1
    assert found.recall == pytest.approx(2 / 3)


def test_a_mask_without_weights_has_no_precision():
    found = support_recovery(np.zeros((4, 40), dtype=bool), planted())
    assert found.recall == 0
    assert all(np.isnan([found.precision, found.input_precision, found.input_precision_low]))


def test_what_is_no_support_is_refused():
    with pytest.raises(InputError, match="row without an input"):
        support_recovery(np.ones((2, 4), dtype=bool), np.zeros((1, 4), dtype=bool))
    with pytest.raises(InputError, match="num_draws is 0"):
        support_recovery(np.ones((2, 4), dtype=bool), np.ones((1, 4), dtype=bool), num_draws=0)


def test_inputs_are_ranked_by_the_weights_they_keep():
    mask, support = random_mask((6, 40), 0.2, 7), planted()
    found = support_recovery(mask, support)
    counts, is_read = mask.sum(axis=0), support.any(axis=0)
    pairs = [(a > b) + 0.5 * (a == b) for a in counts[is_read] for b in counts[~is_read]]
    assert found.input_auroc == pytest.approx(np.mean(pairs))
    assert input_auroc(mask, is_read, ~is_read) == found.input_auroc
    assert support_recovery(np.tile(is_read, (4, 1)), support).input_auroc == 1
    assert support_recovery(np.ones((4, 40), dtype=bool), support).input_auroc == 0.5
    assert np.isnan(input_auroc(mask, np.zeros(40, dtype=bool), is_read))


def test_permuted_supports_are_found_at_chance_even_by_the_planted_mask():
    found = [support_recovery(np.repeat(planted(), 2, axis=0), planted(), seed=seed) for seed in range(60)]
    permuted = np.array([each.input_auroc_permuted for each in found])
    assert all(each.input_auroc == 1 for each in found)
    assert abs(permuted.mean() - 0.5) < 4 * permuted.std() / np.sqrt(60)
    assert permuted.std() > 0
