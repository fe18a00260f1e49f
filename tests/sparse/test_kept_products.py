"""The compiled loops against a matrix product of numpy."""

import numpy as np
import pytest
import torch

from sparsight.sparse.kept_products import product, weight_gradient
from sparsight.sparse.pattern import Pattern
from sparsight.sparse.tiles import Tiling

TOLERANCE = {np.float32: 1e-5, np.float64: 1e-13}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("width", [16, 48, 64, 80, 128])
def test_products_are_those_of_dense_matrices(dtype, width):
    stream = np.random.default_rng(0)
    mask = stream.random((9, 23)) < 0.3
    mask[4] = False
    weight = np.where(mask, stream.normal(size=mask.shape), 0).astype(dtype)
    bias = stream.normal(size=9).astype(dtype)
    inputs = stream.normal(size=(3, 23, width)).astype(dtype)
    gradient = stream.normal(size=(3, 9, width)).astype(dtype)
    rows = Pattern.of(torch.from_numpy(mask)).rows
    starts, columns = rows.starts.numpy(), rows.columns.numpy()
    outputs = np.empty_like(gradient)
    for first, last in [(0, 1), (1, 3)]:
        product(first, last, starts, columns, weight[mask], bias, inputs, outputs)
    by_values, by_bias = np.empty((2, mask.sum()), dtype), np.empty((2, 9), dtype)
    for first, last in [(0, 1), (1, 6)]:
        weight_gradient(first, last, rows.cuts(3), starts, columns, gradient, inputs, by_values, by_bias)
    close = {"rtol": TOLERANCE[dtype], "atol": 10 * TOLERANCE[dtype]}
    np.testing.assert_allclose(outputs, weight @ inputs + bias[:, None], **close)
    np.testing.assert_allclose(
        by_values.sum(axis=0), np.einsum("tkn,tin->ki", gradient, inputs)[mask], **close
    )
    np.testing.assert_allclose(by_bias.sum(axis=0), gradient.sum(axis=(0, 2)), **close)


@pytest.mark.parametrize("num_samples", [1, 16, 63, 64, 65, 1000])
def test_tiles_hold_every_sample_once_and_zeros_behind(num_samples):
    inputs = torch.randn(num_samples, 19, generator=torch.Generator().manual_seed(0))
    tiling = Tiling.of(num_samples, torch.device("cpu"))
    tiles = tiling.tiled(inputs)
    assert tiles.shape == (tiling.num_tiles, 19, tiling.width)
    assert torch.equal(tiling.rows(tiles), inputs)
    assert torch.equal(tiles, tiling.tiled(inputs.clone().requires_grad_()).detach())
    assert tiles.count_nonzero() == inputs.count_nonzero()


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_rows_of_a_table_are_gathered_into_tiles(dtype):
    table = np.random.default_rng(0).normal(size=(50, 37)).astype(dtype)
    rows = np.random.default_rng(1).permutation(50)[:33]
    tiling = Tiling.of(33, torch.device("cpu"))
    tiles = tiling.gathered(table, rows)
    assert np.array_equal(tiling.rows(tiles).numpy(), table[rows])
    assert tiles.sum(dtype=torch.float64) == pytest.approx(table[rows].sum(dtype=np.float64))
    assert tiling.gathered(table, rows, into=tiles) is tiles
