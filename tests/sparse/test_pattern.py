import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given, strategies as st

from sparsight.sparse._pattern import Pattern, Pieces, piece_size


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


def matrix_of(pieces, values, shape):
    """The matrix that pieces and values say, entry by entry."""
    found = np.zeros(shape)
    for piece, (rows, starts) in enumerate(zip(pieces.rows, pieces.starts, strict=True)):
        assert sorted(rows) == list(range(shape[0]))
        for place, row in enumerate(rows):
            for entry in range(starts[place], starts[place + 1]):
                column = piece * pieces.size + pieces.columns[entry]
                assert found[row, column] == 0
                found[row, column] = values[pieces.order[entry]]
    return found


@pytest.mark.parametrize("density", [0.0, 0.003, 0.05, 0.3, 1.0])
@pytest.mark.parametrize("shape", [(7, 11), (5, 700), (400, 3)])
def test_pieces_hold_every_kept_weight_once(shape, density):
    mask = random_mask(shape, density)
    pattern = Pattern.of(mask)
    weight = np.where(mask.numpy(), np.arange(1.0, mask.numel() + 1).reshape(shape), 0)
    values = weight[mask.numpy()]
    assert np.array_equal(matrix_of(pattern.pieces, values, shape), weight)
    assert np.array_equal(matrix_of(pattern.transposed_pieces, values, shape[::-1]), weight.T)
    assert len(pattern.pieces.starts) == -(-shape[1] // pattern.pieces.size)


def test_rows_of_a_piece_are_in_the_order_of_their_number_of_entries():
    mask = random_mask((50, 700), 0.05)
    pieces = Pattern.of(mask).pieces
    counts = np.diff(pieces.starts, axis=1)
    assert (np.diff(counts, axis=1) >= 0).all()
    assert len(np.unique(counts)) > 3
    # Ties are in the order of the rows.
    assert (np.diff(pieces.rows, axis=1)[np.diff(counts, axis=1) == 0] > 0).all()


@given(st.integers(1, 5000), st.floats(0, 1))
def test_pieces_begin_at_multiples_of_sixteen_columns(num_columns, density):
    size = piece_size(num_columns, density)
    assert 1 <= size <= num_columns
    assert size % 16 == 0 or size == num_columns


def test_pieces_are_larger_where_fewer_weights_are_kept():
    sizes = [piece_size(3072, density) for density in (1.0, 0.1, 0.03, 0.01, 0.001)]
    assert sizes == sorted(sizes)
    assert sizes[0] == 128
    assert sizes[-1] == 3072


@given(st.lists(st.integers(0, 40), min_size=1, max_size=30), st.integers(1, 8))
def test_cuts_go_through_every_row_once(counts, num_ranges):
    mask = np.arange(300) < 7 * np.array(counts)[:, None]
    pieces = Pieces.of(*np.nonzero(mask), mask.shape)
    cuts = pieces.cuts(num_ranges)
    assert len(cuts) == num_ranges + 1
    assert cuts[0] == 0
    assert cuts[-1] == len(counts)
    assert (np.diff(cuts) >= 0).all()
    at_place = np.diff(pieces.starts, axis=1).sum(axis=0)
    assert at_place.sum() == mask.sum()
    kept = [int(at_place[cuts[i] : cuts[i + 1]].sum()) for i in range(num_ranges)]
    assert max(kept) <= mask.sum() / num_ranges + at_place.max()
