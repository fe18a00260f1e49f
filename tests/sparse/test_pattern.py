import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparsight.sparse.pattern import Pattern, Rows


def random_mask(shape, density, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random(shape) < density)


@pytest.mark.parametrize("density", [0.0, 0.2, 1.0])
def test_pattern_is_that_of_scipy(density):
    mask = random_mask((7, 11), density)
    pattern = Pattern.of(mask)
    for rows, dense in [(pattern.rows, mask), (pattern.transposed, mask.T)]:
        expected = scipy.sparse.csr_array(dense.numpy())
        assert rows.starts.tolist() == expected.indptr.tolist()
        assert rows.columns.tolist() == expected.indices.tolist()
    weight = torch.arange(77.0).view(7, 11)
    assert torch.equal(weight.view(-1)[pattern.positions], weight[mask])
    assert torch.equal(weight[mask][pattern.transposed_order], weight.T[mask.T])
    assert torch.equal(weight[pattern.units, pattern.inputs], weight[mask])


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(1, 8))
def test_cuts_go_through_every_row_once(counts, num_ranges):
    starts = torch.tensor([0, *np.cumsum(counts)], dtype=torch.int32)
    cuts = Rows(starts, torch.zeros(sum(counts), dtype=torch.int32)).cuts(num_ranges)
    assert len(cuts) == num_ranges + 1
    assert cuts[0] == 0
    assert cuts[-1] == len(counts)
    assert (np.diff(cuts) >= 0).all()
