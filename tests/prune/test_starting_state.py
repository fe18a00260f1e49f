"""Weights that replace the rewound ones under a found mask."""

import pytest
import torch

from sparsight.errors import InputError
from sparsight.prune import starting_state
from tests.toy import linear_task, small_network

TASK = linear_task(num_inputs=100)


def network(seed, **settings):
    return small_network(TASK, seed, **{"widths": (50,), "batch_norm": "hidden", **settings})


@pytest.mark.parametrize("weights", ["fresh", "signs", "constant"])
def test_signs_magnitudes_and_everything_else_come_from_where_they_should(weights):
    initial, fresh = network(0), network(1)
    state = starting_state(initial, fresh, weights)
    for name, before in initial.state_dict().items():
        now, drawn = state[name], fresh.state_dict()[name]
        if name in ("linear_0.weight", "linear_1.weight"):
            if weights == "fresh":
                assert torch.equal(now, drawn)
            else:
                assert torch.equal(torch.sign(now), torch.sign(before))
            if weights == "signs":
                assert torch.equal(now.abs(), drawn.abs())
            if weights == "constant":
                expected = (before - before.mean()).square().mean().sqrt()
                torch.testing.assert_close(now.abs(), expected.expand_as(now), rtol=1e-5, atol=0)
        elif name.startswith("linear") and weights == "fresh":
            assert torch.equal(now, drawn)
        else:
            assert torch.equal(now, before)
    assert torch.equal(initial.state_dict()["linear_0.weight"], network(0).state_dict()["linear_0.weight"])


def test_rewound_weights_need_no_state():
    assert starting_state(network(0), network(1), "rewound") is None


def test_wrong_arguments_are_refused():
    with pytest.raises(InputError, match="weights is 'random'; allowed are rewound, fresh, signs, constant"):
        starting_state(network(0), network(1), "random")
    with pytest.raises(InputError, match="fresh differs from network"):
        starting_state(network(0), network(1, widths=(51,)), "fresh")
