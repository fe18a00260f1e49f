import numpy as np
import pytest

from sparsight.errors import InputError
from sparsight.reproduce._feedback import predicts_gain
from tests.reproduce.planted import NUM_LEVELS, NUM_UNITS, planted

SHAPE = (10, NUM_LEVELS, NUM_UNITS)
CHANCE = 4 / np.sqrt(10 * (NUM_LEVELS - 2) * NUM_UNITS)
"""Four standard errors of the mean over replicates and levels, of correlations without any cause."""


def _planted(cause, near):
    return planted({}, per_unit={("cause", "imp"): cause, ("near", "imp"): near})


def _results(effect, lag=1, seed=0):
    """Units gain `effect` times their cause, `lag` levels later, and noise."""
    stream = np.random.default_rng(seed)
    cause, gains = stream.normal(size=SHAPE), stream.normal(size=SHAPE)
    gains[:, lag:] += effect * cause[:, : NUM_LEVELS - lag]
    near = np.concatenate([np.zeros((10, 1, NUM_UNITS)), np.cumsum(gains, axis=1)[:, :-1]], axis=1)
    return _planted(cause, near)


@pytest.mark.parametrize("lag", [0, 1, 2])
def test_planted_feedback_is_found_with_its_sign_at_its_lag_and_at_no_other(lag):
    for effect in (1.0, 0.0, -1.0):
        for asked in (0, 1, 2):
            found = predicts_gain("cause", "near", "imp", lag=asked)(_results(effect, lag))
            if effect and asked == lag:
                assert (np.sign(effect) * found > 0.4).all()
            else:
                assert abs(found.mean()) < CHANCE * np.sqrt(4 / 3)  # lag 2 has three levels, not four


def test_shuffling_units_takes_the_feedback_away():
    found = predicts_gain("cause", "near", "imp", shuffled=True)(_results(1.0))
    assert abs(found.mean()) < CHANCE


def _two_functions_of_one_mask(seed=5):
    """No unit's past acts on its future: every level's mask is drawn afresh.

    The locality of a level is a function of its mask. The cause at level t compares the weights that the mask
    of t + 1 keeps with the others, so it is another function of that mask.
    """
    stream = np.random.default_rng(seed)
    mask = stream.normal(size=(10, NUM_LEVELS + 1, NUM_UNITS))
    near = mask[:, :-1] + 0.3 * stream.normal(size=SHAPE)
    cause = mask[:, 1:] + 0.3 * stream.normal(size=SHAPE)
    return _planted(cause, near)


def test_two_functions_of_one_mask_fool_the_gain_of_that_mask_and_not_the_later_one():
    results = _two_functions_of_one_mask()
    assert (predicts_gain("cause", "near", "imp", lag=0)(results) > 0.3).all()
    assert (predicts_gain("cause", "near", "imp", lag=0, given=("near",))(results) > 0.3).all()
    forward = predicts_gain("cause", "near", "imp", given=("near",))(results)
    assert abs(forward.mean()) < CHANCE


def test_regression_to_the_mean_is_no_feedback_once_locality_is_given():
    # the mask of t + 1 is local by chance, which the cause at t shares, and then less local at t + 2
    results = _two_functions_of_one_mask(3)
    assert (predicts_gain("cause", "near", "imp")(results) < -0.2).all()
    partial = predicts_gain("cause", "near", "imp", given=("near",))(results)
    assert abs(partial.mean()) < CHANCE


def test_feedback_is_found_beside_a_coupling_by_construction():
    results = _two_functions_of_one_mask()
    later = results.near.values.copy()
    later[:, :, 2:] += 1.5 * results.cause.values[:, :, :-2]
    results["near"] = results.near.copy(data=later)
    # an extra gain for the level at which the cause acts; given the locality before, it is seen
    assert (predicts_gain("cause", "near", "imp", given=("near",))(results) > 0.2).all()


def test_causes_of_kept_sets_drawn_at_random_are_told_from_those_of_the_run():
    # a control with the same coupling by construction; what is beyond it is feedback
    from sparsight.reproduce._statistics import difference

    stream = np.random.default_rng(8)
    results = _results(1.0)
    results["random_kept"] = results.cause.copy(data=stream.normal(size=results.cause.shape))
    beyond = difference(predicts_gain("cause", "near", "imp"), predicts_gain("random_kept", "near", "imp"))
    assert (beyond(results) > 0.3).all()


def test_random_kept_sets_show_how_much_of_the_gain_of_one_mask_is_construction():
    results = _two_functions_of_one_mask()
    stream = np.random.default_rng(9)
    other_mask = stream.normal(size=results.cause.shape)  # of the next level, drawn at random
    for name in ("random_cause", "random_near"):
        values = other_mask + 0.3 * stream.normal(size=other_mask.shape)
        results[name] = results.cause.copy(data=values)
    own = predicts_gain("cause", "near", "imp", lag=0)(results)
    control = predicts_gain("random_cause", "near", "imp", lag=0, gain_to="random_near")(results)
    assert (control > 0.3).all()
    assert abs((own - control).mean()) < 2 * CHANCE


def test_window_chooses_the_levels_of_the_cause():
    results = _results(1.0)
    cause = results.cause.values.copy()
    cause[:, :, 2:] = np.random.default_rng(1).normal(size=cause[:, :, 2:].shape)  # acts no more
    results["cause"] = results.cause.copy(data=cause)
    early = predicts_gain("cause", "near", "imp", window=(0.5, 1.1))(results)
    late = predicts_gain("cause", "near", "imp", window=(0.0, 0.5))(results)
    assert (early > 0.4).all()
    assert abs(late.mean()) < CHANCE * np.sqrt(2)
    assert np.isnan(predicts_gain("cause", "near", "imp", window=(0.0, 0.1))(results)).all()  # no later gain


def test_a_replicate_that_ends_early_is_missing():
    results = _results(1.0)
    density = results.density.values.copy()
    density[0, 4, 4:] = np.nan
    results["density"] = results.density.copy(data=density)
    found = predicts_gain("cause", "near", "imp")(results)
    assert np.isnan(found).tolist() == [place == 4 for place in range(10)]


def test_gain_before_its_cause_is_refused():
    with pytest.raises(InputError, match="lag is -1"):
        predicts_gain("cause", "near", "imp", lag=-1)
