import pytest

from sparsight.measure import Interval, locality_verdict, student_interval

ABOVE, WITHIN, BELOW = (0.2, 0.3), (0.0, 0.3), (-0.1, 0.02)
FAR_BELOW, FAR_WITHIN, FAR_NOT = (0.4, 0.6), (0.8, 1.1), (0.95, 1.1)
RADIUS_BELOW, RADIUS_WITHIN, RADIUS_NOT = (0.7, 0.9), (0.9, 1.0), (0.96, 1.02)


def interval(ends):
    if ends is None:
        return student_interval([])
    return Interval(mean=sum(ends) / 2, low=ends[0], high=ends[1], confidence=0.95, num_replicates=6)


@pytest.mark.parametrize(
    ("share", "far", "radius", "word"),
    [
        (ABOVE, FAR_BELOW, RADIUS_NOT, "local"),
        (ABOVE, FAR_NOT, RADIUS_BELOW, "local"),
        (ABOVE, FAR_WITHIN, RADIUS_BELOW, "local"),
        (ABOVE, FAR_NOT, RADIUS_NOT, "clustered, not local"),
        (ABOVE, FAR_WITHIN, RADIUS_NOT, "undecided"),
        (ABOVE, FAR_WITHIN, RADIUS_WITHIN, "undecided"),
        (WITHIN, FAR_BELOW, RADIUS_BELOW, "undecided"),
        (WITHIN, FAR_WITHIN, RADIUS_NOT, "undecided"),
        (WITHIN, FAR_NOT, RADIUS_NOT, "not local"),
        (BELOW, FAR_BELOW, RADIUS_BELOW, "not local"),
        (BELOW, FAR_NOT, RADIUS_NOT, "not local"),
        (ABOVE, None, RADIUS_BELOW, "local"),
        (ABOVE, None, RADIUS_NOT, "clustered, not local"),
        (ABOVE, None, None, "undecided"),
        (None, FAR_BELOW, RADIUS_BELOW, "undecided"),
        (None, FAR_NOT, RADIUS_NOT, "not local"),
        (None, None, None, "undecided"),
    ],
)
def test_local_needs_neighbours_and_a_bounded_field(share, far, radius, word):
    found = locality_verdict(
        attained_share=interval(share), far=interval(far), radius_of_gyration=interval(radius)
    )
    assert found == word


def test_one_replicate_decides_nothing():
    share, far, radius = (student_interval([value]) for value in (0.9, 0.1, 0.1))
    assert locality_verdict(attained_share=share, far=far, radius_of_gyration=radius) == "undecided"


def test_numbers_of_the_narrow_band_and_of_the_ring_get_different_words():
    """Near 2.80 and 2.92 look alike; the first is a wave over the whole ring."""
    wave = {"attained_share": interval((0.2, 0.3)), "far": interval((0.92, 0.96))}
    ring = {"attained_share": interval((0.22, 0.28)), "far": interval((0.53, 0.61))}
    assert locality_verdict(**wave, radius_of_gyration=interval((0.96, 0.99))) == "clustered, not local"
    assert locality_verdict(**ring, radius_of_gyration=interval((0.74, 0.80))) == "local"
