import numpy as np
import pytest

from sparsight.streams import derived_seed, generator


def test_generator_is_a_function_of_seed_and_name():
    first = generator(3, "batches", 7).integers(0, 2**62, 8)
    generator(3, "other").random(100)
    np.testing.assert_array_equal(first, generator(3, "batches", 7).integers(0, 2**62, 8))


@pytest.mark.parametrize("other", [(4, "batches", 7), (3, "batches", 8), (3, "batches", "7"), (3, "batches")])
def test_generator_differs_with_any_part_of_its_name(other):
    ours = generator(3, "batches", 7).integers(0, 2**62, 8)
    assert not np.array_equal(ours, generator(*other).integers(0, 2**62, 8))


def test_neighbouring_streams_are_uncorrelated():
    draws = np.stack([generator(0, "level", index).normal(size=4000) for index in range(40)])
    correlations = np.corrcoef(draws)[np.triu_indices(40, 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(4000)


def test_derived_seed_fits_in_63_bits_and_differs_by_name():
    seeds = {derived_seed(0, "replicate", index) for index in range(1000)}
    assert len(seeds) == 1000
    assert 0 <= min(seeds) <= max(seeds) < 2**63
