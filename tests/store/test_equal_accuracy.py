import numpy as np
import pandas as pd
import pytest

from sparsight.errors import InputError
from sparsight.store import at_equal_accuracy


def _frame(value_of_accuracy, accuracies, num_replicates=3):
    """Levels of two conditions whose value follows from accuracy; the second condition is less accurate."""
    rows = []
    for condition, values in accuracies.items():
        for replicate in range(num_replicates):
            for level, accuracy in enumerate(values):
                accuracy = accuracy + 0.001 * replicate
                place = {"condition": condition, "replicate": replicate, "level": level, "layer": "network",
                         "density": 0.5**level}  # fmt: skip
                value = value_of_accuracy[condition](accuracy)
                rows += [place | {"quantity": "test_accuracy", "value": accuracy},
                         place | {"quantity": "calibration.ece", "value": value}]  # fmt: skip
    return pd.DataFrame(rows)


ACCURACIES = {"imp": (0.9, 0.92, 0.8), "random": (0.9, 0.7, 0.95, 0.6)}


def test_what_follows_from_accuracy_alone_is_0_at_equal_accuracy_and_an_offset_is_found():
    same = _frame(dict.fromkeys(ACCURACIES, lambda a: 2 - 3 * a), ACCURACIES)
    found = at_equal_accuracy(same, "calibration.ece", "imp", "random")
    np.testing.assert_allclose(found["mean"], 0, atol=1e-12)
    assert list(found["level"]) == [0, 1, 2]
    shifted = _frame({"imp": lambda a: 2.25 - 3 * a, "random": lambda a: 2 - 3 * a}, ACCURACIES)
    found = at_equal_accuracy(shifted, "calibration.ece", "imp", "random")
    np.testing.assert_allclose(found["mean"], 0.25)
    assert list(found["num_replicates"]) == [3, 3, 3]
    assert list(found["density"]) == [1, 0.5, 0.25]


def test_beyond_the_accuracies_of_the_reference_it_is_undefined():
    frame = _frame(dict.fromkeys(ACCURACIES, lambda a: a), ACCURACIES)
    found = at_equal_accuracy(frame, "calibration.ece", "random", "imp")
    assert np.isnan(found["mean"]).tolist() == [False, True, True, True]


def test_an_unknown_condition_is_named():
    frame = _frame(dict.fromkeys(ACCURACIES, lambda a: a), ACCURACIES)
    with pytest.raises(InputError, match="reference is 'twin'; the frame has imp, random"):
        at_equal_accuracy(frame, "calibration.ece", "imp", "twin")
