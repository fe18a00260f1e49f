import itertools

import numpy as np
import torch
from hypothesis import given, strategies as st

from sparsight.prune import connectivity, paths


def brute_force_paths(masks):
    sizes = [masks[0].shape[1], *(mask.shape[0] for mask in masks)]
    return [
        nodes
        for nodes in itertools.product(*map(range, sizes))
        if all(mask[b, a] for mask, (a, b) in zip(masks, itertools.pairwise(nodes), strict=True))
    ]


@given(
    st.lists(st.integers(1, 4), min_size=2, max_size=4),
    st.sampled_from([0.1, 0.3, 0.6, 1.0]),
    st.integers(0, 10**6),
)
def test_connectivity_and_paths_equal_enumeration(sizes, share, seed):
    stream = np.random.default_rng(seed)
    masks = [torch.from_numpy(stream.random((b, a)) < share) for a, b in itertools.pairwise(sizes)]
    all_paths = brute_force_paths(masks)
    counts = np.zeros((sizes[-1], sizes[0]))
    for path in all_paths:
        counts[path[-1], path[0]] += 1
    np.testing.assert_array_equal(paths(masks).numpy(), counts)
    named = {f"linear_{depth}.weight": mask for depth, mask in enumerate(masks)}
    layers = {f"linear_{depth}": tuple(mask.shape) for depth, mask in enumerate(masks)}
    found = connectivity(named, layers)
    on_a_path = {(depth, path[depth]) for path in all_paths for depth in range(1, len(sizes) - 1)}
    assert found.num_units == sum(sizes[1:-1])
    assert found.num_connected == len(on_a_path)
    assert found.num_units - found.num_connected == found.num_units - len(on_a_path)
    assert found.has_path == bool(all_paths)
    assert found.severed_layers == tuple(
        f"linear_{depth}" for depth, mask in enumerate(masks) if not mask.any()
    )


def test_a_layer_without_mask_is_dense():
    found = connectivity(
        {"linear_0.weight": torch.tensor([[True, False], [False, False]])},
        {"linear_0": (2, 2), "linear_1": (3, 2)},
    )
    assert (found.num_connected, found.has_path, found.connected_fraction) == (1, True, 0.5)
