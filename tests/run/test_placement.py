import pytest

from sparsight.run.placement import Size, place

GIB = 2**30
SMALL, MIDDLE, LARGE = Size(5_000, GIB), Size(2_000_000, GIB), Size(500_000_000, 40 * GIB)


@pytest.mark.parametrize(
    ("size", "num_units", "devices", "asked", "jobs", "threads"),
    [
        (SMALL, 20, ["cpu"], None, 8, 1),
        (SMALL, 3, ["cpu"], None, 3, 1),
        (MIDDLE, 20, ["cpu"], None, 8, 1),
        (MIDDLE, 3, ["cpu"], None, 3, 2),
        (LARGE, 20, ["cpu"], None, 1, 8),
        (Size(2_000_000, 15 * GIB), 20, ["cpu"], None, 2, 4),
        (MIDDLE, 20, ["cpu", "cuda"], None, 1, 8),
        (MIDDLE, 20, ["cpu"], 4, 4, 2),
        (LARGE, 20, ["cpu"], 2, 2, 4),
        (SMALL, 0, ["cpu"], None, 1, 1),
        (MIDDLE, 99, ["cpu"], 16, 16, 1),
    ],
)
def test_place_shares_out_cores_and_memory(size, num_units, devices, asked, jobs, threads):
    placement = place(size, num_units, devices, asked, num_cores=8, memory=64 * GIB)
    assert (placement.jobs, placement.threads) == (jobs, threads)
    assert placement.facts()["reason"]


def test_place_never_takes_more_threads_than_cores():
    for num_cores in (1, 2, 3, 7, 64):
        for num_units in range(1, 70):
            placement = place(MIDDLE, num_units, ["cpu"], num_cores=num_cores, memory=256 * GIB)
            assert placement.jobs * placement.threads <= num_cores
            assert placement.jobs <= num_units
