import numpy as np

from sparsight.reproduce._feedback import predicts_gain
from tests.reproduce.planted import NUM_LEVELS, NUM_UNITS, planted

SHAPE = (10, NUM_LEVELS, NUM_UNITS)


def _results(effect, seed=0):
    """Units gain `effect` times their cause from level to level, and noise."""
    stream = np.random.default_rng(seed)
    cause = stream.normal(size=SHAPE)
    gains = effect * cause + stream.normal(size=SHAPE)
    near = np.concatenate([np.zeros((10, 1, NUM_UNITS)), np.cumsum(gains, axis=1)[:, :-1]], axis=1)
    return planted({}, per_unit={("cause", "imp"): cause, ("near", "imp"): near})


def test_planted_feedback_is_found_with_its_sign_and_none_where_none_is():
    for effect in (1.0, 0.0, -1.0):
        found = predicts_gain("cause", "near", "imp")(_results(effect))
        if effect:
            assert (np.sign(effect) * found > 0.4).all()
        else:
            assert abs(found.mean()) < 4 / np.sqrt(10 * (NUM_LEVELS - 1) * NUM_UNITS)


def test_shuffling_units_takes_the_feedback_away():
    found = predicts_gain("cause", "near", "imp", shuffled=True)(_results(1.0))
    assert abs(found.mean()) < 4 / np.sqrt(10 * (NUM_LEVELS - 1) * NUM_UNITS)


def test_regression_to_the_mean_is_no_feedback_once_locality_is_given():
    stream = np.random.default_rng(3)
    near = stream.normal(size=SHAPE)  # levels are independent, so high values fall at the next
    results = planted(
        {}, per_unit={("cause", "imp"): near + stream.normal(size=SHAPE), ("near", "imp"): near}
    )
    assert (predicts_gain("cause", "near", "imp")(results) < -0.2).all()
    partial = predicts_gain("cause", "near", "imp", given=("near",))(results)
    assert abs(partial.mean()) < 4 / np.sqrt(10 * (NUM_LEVELS - 1) * NUM_UNITS)
