"""Wrong arguments are named; what is accepted gives a result without a warning."""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import Bool, Float, Real

from sparsight.arguments import LARGEST, checked
from sparsight.errors import InputError
from sparsight.geometry import Geometry

TAKE_ANY_SHAPE = {"nlgp_covariance", "laplace_covariance", "neural_activation_prior"}


@pytest.fixture(scope="module")
def sweep():
    """Every call of the sweep: (function, argument, how it was spoilt) → what came of it."""
    script = Path(__file__).with_name("argument_sweep.py")
    answer = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, timeout=300)
    lines = [json.loads(line) for line in answer.stdout.splitlines()]
    return {(function, argument, how): came for function, argument, how, came in lines}


def test_the_sweep_calls_many_functions_and_all_work_unspoilt(sweep):
    unspoilt = {key[0]: came for key, came in sweep.items() if not key[1]}
    assert len(unspoilt) > 90
    assert len(sweep) > 2200
    assert set(unspoilt.values()) == {"result"}


def test_every_spoilt_argument_gives_a_result_or_an_error_that_names_it(sweep):
    assert [(*key, came) for key, came in sweep.items() if came not in ("result", "refused")] == []


def test_what_no_function_can_take_is_refused(sweep):
    taken = [key for key, came in sweep.items() if key[2].startswith("refuse") and came == "result"]
    assert [key for key in taken if key[0] not in TAKE_ANY_SHAPE] == []


@checked(finite=("weights",), bounded=("delta",))
def example(
    weights: Float[np.ndarray, "out in"],
    mask: Bool[np.ndarray, "out in"],
    geometry: Geometry,
    inputs: Real[np.ndarray | torch.Tensor, "n in"] | Iterable | None = None,
    bias: Float[np.ndarray | torch.Tensor, " out"] | None = None,
    delta=None,
):
    return "called"


GOOD = {
    "weights": np.ones((2, 3)),
    "mask": np.ones((2, 3), bool),
    "geometry": Geometry(1, (3,)),
    "inputs": torch.ones(5, 3),
    "bias": np.ones(2, np.float32),
    "delta": np.array([np.nan, 1.0]),
}


@pytest.mark.parametrize(
    "changes",
    [{}, {"inputs": [torch.ones(5, 3)]}, {"bias": None}, {"bias": torch.ones(2, dtype=torch.bfloat16)}],
)
def test_what_fits_is_passed_on(changes):
    assert example(**(GOOD | changes)) == "called"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": [[1.0]]}, r"^weights is a list; an array of floats with axes \(out, in\) is needed$"),
        ({"weights": np.ones(3)}, r"weights is float64 of shape \(3,\); an array of floats"),
        ({"weights": None}, "weights is None; an array of floats"),
        ({"weights": torch.ones(2, 3)}, r"weights is float32 of shape \(2, 3\); an array of floats"),
        ({"weights": np.full((2, 3), np.inf)}, "weights holds NaN or infinite values"),
        ({"weights": np.full((2, 3), -2 * LARGEST)}, r"values beyond ±1e\+75"),
        ({"mask": np.ones((2, 3))}, "an array of bool"),
        ({"mask": np.ones((4, 3), bool)}, r"mask has shape \(4, 3\), but weights has 2 along the axis 'out'"),
        (
            {"geometry": Geometry(1, (4,))},
            "weights has shape .*, but geometry has 4 along the axis 'in'",
        ),
        ({"geometry": (1, 3)}, "geometry is a tuple; a sparsight.Geometry is needed"),
        ({"inputs": "abc"}, "inputs is a str; an array of real numbers .*, or batches of them, is needed"),
        ({"inputs": torch.ones(5, 3, dtype=torch.complex64)}, "inputs is complex64"),
        ({"inputs": torch.ones(5, 2)}, "along the axis 'in'"),
        ({"bias": torch.ones(2, dtype=torch.int64)}, "bias is int64"),
        ({"weights": np.full((2, 3), np.inf, np.float32)}, "weights holds NaN or infinite values"),
        ({"delta": np.array([np.inf], np.float32)}, "delta holds infinite values"),
        ({"delta": np.array([np.inf])}, "delta holds infinite values"),
    ],
)
def test_what_does_not_fit_is_named(changes, message):
    with pytest.raises(InputError, match=message):
        example(**(GOOD | changes))
