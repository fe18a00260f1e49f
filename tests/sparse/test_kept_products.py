"""The compiled loops against matrix products of numpy."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from sparsight.sparse._pattern import Pattern
from sparsight.sparse._tiles import NO_RELU, RELU_FIRST, RELU_LAST, Tiling
from sparsight.sparse.kernels._kept_products import input_gradient, product, weight_gradient
from sparsight.sparse.kernels._layer_inputs import Reading, all_tile_moments, finish_back
from sparsight.sparse.kernels._totals import batch_moments

TOLERANCE = {np.float32: 1e-5, np.float64: 1e-13}
NUM_SAMPLES, NUM_INPUTS, NUM_UNITS = 70, 300, 9
WIDTHS = [16, 32, 48, 64, 80, 128]


def close(dtype):
    return {"rtol": TOLERANCE[dtype], "atol": 300 * TOLERANCE[dtype]}


def layer(dtype, density=0.3):
    stream = np.random.default_rng(0)
    mask = stream.random((NUM_UNITS, NUM_INPUTS)) < density
    mask[4] = False
    mask[:, 7] = False
    weight = np.where(mask, stream.normal(size=mask.shape), 0).astype(dtype)
    return Pattern.of(torch.from_numpy(mask)), weight, stream.normal(size=NUM_UNITS).astype(dtype)


def tiling_of(width):
    return Tiling(NUM_SAMPLES, -(-NUM_SAMPLES // width), width)


def tiled(rows, tiling, filling=0.0):
    """Tiles of samples by features, the columns without a sample filled with a number."""
    padded = np.full((tiling.num_tiles * tiling.width, rows.shape[1]), filling, rows.dtype)
    padded[:NUM_SAMPLES] = rows
    return np.ascontiguousarray(padded.reshape(tiling.num_tiles, tiling.width, -1).transpose(0, 2, 1))


def in_rows(tiles):
    return tiles.transpose(0, 2, 1).reshape(-1, tiles.shape[1])[:NUM_SAMPLES]


def sources(dtype, width):
    """Each way to read an input: its name, the array and how the loops read it, and the input itself."""
    stream = np.random.default_rng(1)
    x = stream.normal(size=(NUM_SAMPLES, NUM_INPUTS)).astype(dtype)
    centre, scale, shift = stream.normal(size=(3, NUM_INPUTS)).astype(dtype)
    table, rows = np.zeros((100, NUM_INPUTS), dtype), stream.permutation(100)[:NUM_SAMPLES]
    table[rows] = x
    nothing, tiling = np.zeros(0, dtype), tiling_of(width)
    tiles = tiled(x, tiling, filling=3.0)
    plain, affine = (nothing, nothing, nothing), (centre, scale, shift)
    rectified, every = np.maximum(x, 0), np.empty(0, np.int32)
    some = np.flatnonzero(stream.random(2 * NUM_INPUTS) < 0.5)[: NUM_INPUTS - 64]
    some = np.concatenate([some, some[-1] + 1 + np.arange(64)]).astype(np.int32)
    wide = np.full((100, some[-1] + 9), np.nan, dtype)
    wide[rows[:, None], some] = x
    codes = stream.integers(0, 256, (100, NUM_INPUTS), dtype=np.uint8)
    affinely = (x - centre) * scale + shift
    of_table = {"rows": rows, "features": every}
    of_tiles = {"rows": None, "features": every}
    return {
        "bytes": (codes, reading(of_table, affine), (codes[rows].astype(dtype) - centre) * scale + shift),
        "listed columns": (wide, reading(of_table | {"features": some}, affine), affinely),
        "table": (table, reading(of_table, plain), x),
        "standardised table": (table, reading(of_table, affine), affinely),
        "tiles": (tiles, reading(of_tiles, plain), x),
        "standardised tiles": (tiles, reading(of_tiles, affine), affinely),
        "relu first": (
            tiles,
            reading(of_tiles, affine, RELU_FIRST),
            (rectified - centre) * scale + shift,
        ),
        "relu last": (tiles, reading(of_tiles, affine, RELU_LAST), np.maximum(affinely, 0)),
    }


def reading(where, affine, relu=NO_RELU):
    centre, scale, shift = affine
    return Reading(**where, num_samples=NUM_SAMPLES, centre=centre, scale=scale, shift=shift, relu=relu)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("source", sources(np.float32, 16))
def test_products_are_those_of_dense_matrices(source, dtype, width):
    pattern, weight, bias = layer(dtype)
    inputs, how, v = sources(dtype, width)[source]
    pieces, values, tiling = pattern.pieces, weight[pattern.mask.numpy()], tiling_of(width)
    assert len(pieces.starts) == 3  # so that sums are taken up again from one piece to the next
    outputs = np.empty((tiling.num_tiles, NUM_UNITS, width), dtype)
    for first, last in [(0, 1), (1, tiling.num_tiles)]:
        filled = (outputs, NO_RELU, np.empty((2, 0, 0)))
        product(first, last, inputs, how, pieces, values[pieces.order], bias, *filled)
    np.testing.assert_allclose(in_rows(outputs), v @ weight.T + bias, **close(dtype))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("source", sources(np.float32, 16))
def test_weight_gradients_are_those_of_dense_matrices(source, dtype, width):
    pattern, _, _ = layer(dtype)
    inputs, how, v = sources(dtype, width)[source]
    pieces, tiling = pattern.pieces, tiling_of(width)
    gradient = np.random.default_rng(2).normal(size=(NUM_SAMPLES, NUM_UNITS)).astype(dtype)
    groups = min(2, tiling.num_tiles)
    by_values, by_bias = np.empty((groups, pattern.num_kept), dtype), np.empty((groups, NUM_UNITS), dtype)
    for first, last in [(0, 1), (1, 3 * groups)]:
        others = (tiled(gradient, tiling), by_values, by_bias)
        weight_gradient(first, last, pieces.cuts(3), inputs, how, pieces, *others)
    found = np.empty(pattern.num_kept, dtype)
    found[pieces.order] = by_values.sum(axis=0)
    np.testing.assert_allclose(found, (gradient.T @ v)[pattern.mask.numpy()], **close(dtype))
    np.testing.assert_allclose(by_bias.sum(axis=0), gradient.sum(axis=0), **close(dtype))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("source", ["tiles", "standardised tiles", "relu first", "relu last"])
def test_input_gradients_are_those_of_dense_matrices(source, dtype, width):
    pattern, weight, _ = layer(dtype)
    tiles, how, v = sources(dtype, width)[source]
    centre, scale, relu = how.centre, how.scale, how.relu
    pieces, tiling = pattern.transposed_pieces, tiling_of(width)
    gradient = np.random.default_rng(2).normal(size=(NUM_SAMPLES, NUM_UNITS)).astype(dtype)
    found = np.empty((tiling.num_tiles, NUM_INPUTS, width), dtype)
    sums, products = np.empty((2, tiling.num_tiles, NUM_INPUTS))
    values = weight[pattern.mask.numpy()][pieces.order]
    for first, last in [(0, 1), (1, tiling.num_tiles)]:
        others = (tiled(gradient, tiling), found, sums, products)
        input_gradient(first, last, tiles, how, pieces, values, *others)
    expected = gradient @ weight
    if relu == RELU_LAST:
        expected = np.where(v > 0, expected, 0)
    np.testing.assert_allclose(in_rows(found), expected, **close(dtype))
    if source == "tiles":
        return
    x = in_rows(tiles)
    rectified = np.maximum(x, 0) if relu == RELU_FIRST else x
    np.testing.assert_allclose(sums.sum(axis=0), expected.sum(axis=0), **close(dtype))
    np.testing.assert_allclose(
        products.sum(axis=0), (expected * (rectified - centre)).sum(axis=0), **close(dtype)
    )
    offset, slope = np.random.default_rng(3).normal(size=(2, NUM_INPUTS)).astype(dtype)
    finish_back(0, tiling.num_tiles, tiles, how, offset, slope, found)
    by_x = scale * (expected - offset - slope * (rectified - centre))
    if relu == RELU_FIRST:
        by_x = np.where(x > 0, by_x, 0)
    np.testing.assert_allclose(in_rows(found), by_x, **close(dtype))
    assert np.count_nonzero(found) == np.count_nonzero(in_rows(found))


@pytest.mark.parametrize("relu", [NO_RELU, RELU_FIRST])
@pytest.mark.parametrize("width", WIDTHS)
def test_moments_are_those_of_the_samples_of_each_tile(width, relu):
    pattern, weight, bias = layer(np.float64)
    inputs, how, v = sources(np.float64, width)["tiles"]
    pieces, values, tiling = pattern.pieces, weight[pattern.mask.numpy()], tiling_of(width)
    outputs = np.empty((tiling.num_tiles, NUM_UNITS, width))
    moments = np.empty((2, tiling.num_tiles, NUM_UNITS))
    filled = (outputs, relu, moments)
    product(0, tiling.num_tiles, inputs, how, pieces, values[pieces.order], bias, *filled)
    expected = v @ weight.T + bias
    expected = np.maximum(expected, 0) if relu else expected
    for tile in range(tiling.num_tiles):
        samples = expected[tile * width : (tile + 1) * width]
        np.testing.assert_allclose(moments[0, tile], samples.mean(axis=0), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(
            moments[1, tile], samples.var(axis=0) * len(samples), rtol=1e-10, atol=1e-10
        )


@pytest.mark.parametrize("num_features", [1, 3, 4, 6, 9])
@pytest.mark.parametrize("num_samples", [5, 16, 70, 100])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_moments_of_a_batch_are_those_of_numpy(num_features, num_samples, dtype):
    # Means far from 0, so that a difference of large sums would lose the variance.
    stream = np.random.default_rng(4)
    rows = (1000 + stream.normal(size=(num_samples, num_features))).astype(dtype)
    tiling = Tiling.of(num_samples, 32)
    tiles = tiling.tiled(torch.from_numpy(rows)).numpy()
    by_tile = np.empty((2, tiling.num_tiles, num_features))
    all_tile_moments(0, tiling.num_tiles, tiles, num_samples, NO_RELU, by_tile)
    mean, variance = np.empty((2, num_features))
    batch_moments(*by_tile, num_samples, tiling.width, mean, variance)
    exact = rows.astype(np.float64)
    np.testing.assert_allclose(mean, exact.mean(axis=0), rtol=1e-9 if dtype == np.float32 else 1e-15)
    np.testing.assert_allclose(variance, exact.var(axis=0), rtol=1e-6 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("relu", [NO_RELU, RELU_FIRST])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_moments_of_constant_features_are_exact(dtype, relu):
    constants = np.random.default_rng(5).normal(size=9).astype(dtype)
    tiling = tiling_of(32)
    tiles = tiled(np.tile(constants, (NUM_SAMPLES, 1)), tiling, filling=7.0)
    moments = np.empty((2, tiling.num_tiles, 9))
    all_tile_moments(0, tiling.num_tiles, tiles, NUM_SAMPLES, relu, moments)
    expected = np.maximum(constants, 0) if relu else constants
    assert np.array_equal(moments[0], np.tile(expected.astype(np.float64), (tiling.num_tiles, 1)))
    assert not moments[1].any()


def test_moments_of_what_is_not_a_number_are_none():
    tiles = np.random.default_rng(6).normal(size=(1, 5, 32)).astype(np.float32)
    tiles[0, 2, 17] = np.nan
    moments = np.empty((2, 1, 5))
    all_tile_moments(0, 1, tiles, 32, RELU_FIRST, moments)
    assert np.isnan(moments[:, 0, 2]).all()
    assert np.isfinite(np.delete(moments, 2, axis=2)).all()


@pytest.mark.parametrize("num_samples", [1, 16, 31, 32, 33, 63, 64, 65, 1000])
@pytest.mark.parametrize("widest", [32, 64])
def test_tiles_hold_every_sample_once_and_zeros_behind(num_samples, widest):
    inputs = torch.randn(num_samples, 19, generator=torch.Generator().manual_seed(0))
    tiling = Tiling.of(num_samples, widest)
    tiles = tiling.tiled(inputs)
    assert tiles.shape == (tiling.num_tiles, 19, tiling.width)
    assert tiling.width <= widest
    assert tiling.width % 16 == 0
    assert torch.equal(tiling.rows(tiles), inputs)
    assert tiles.count_nonzero() == inputs.count_nonzero()


IN_A_PROCESS = """
import hashlib
import numpy as np
from sparsight.sparse.kernels._kept_products import input_gradient, weight_gradient
from tests.sparse.test_kept_products import NUM_INPUTS, NUM_UNITS, layer, sources, tiled, tiling_of

dtype, tiling = np.float64, tiling_of(64)
pattern, weight, _ = layer(dtype)
inputs, how, _ = sources(dtype, 64)["relu first"]
gradient = tiled(np.random.default_rng(2).normal(size=(70, NUM_UNITS)).astype(dtype), tiling)
pieces, transposed = pattern.pieces, pattern.transposed_pieces
values = weight[pattern.mask.numpy()][transposed.order]
by_values, by_bias = np.empty((2, pattern.num_kept), dtype), np.empty((2, NUM_UNITS), dtype)
weight_gradient(0, 2, pieces.cuts(1), inputs, how, pieces, gradient, by_values, by_bias)
by_inputs, sums = np.empty(inputs.shape, dtype), np.empty((2, tiling.num_tiles, NUM_INPUTS))
input_gradient(0, tiling.num_tiles, inputs, how, transposed, values, gradient, by_inputs, *sums)
found = b"".join(array.tobytes() for array in (by_values, by_bias, by_inputs, sums))
print(hashlib.sha256(found).hexdigest(), sum(weight_gradient.stats.cache_hits.values()) > 0)
"""


@pytest.mark.slow
def test_a_process_that_compiles_finds_the_digits_of_one_that_loads(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    runs = [
        subprocess.run(
            [sys.executable, "-c", IN_A_PROCESS], env=environment, capture_output=True, text=True, check=True
        ).stdout.split()
        for _ in range(2)
    ]
    assert [loaded for _, loaded in runs] == ["False", "True"]
    assert runs[0][0] == runs[1][0]
