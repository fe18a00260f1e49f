import sys

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sparsight.errors import InputError
from sparsight.report import TensorBoardLog


@pytest.fixture
def logged(stored_run, tmp_path):
    with TensorBoardLog(tmp_path) as log:
        for replicate in stored_run.directory.replicates():
            for index in range(stored_run.directory.num_levels(*replicate)):
                log(stored_run.directory, *replicate, index)
    return tmp_path / "tensorboard"


def test_events_hold_the_stored_numbers(stored_run, logged):
    for condition, replicate in stored_run.directory.replicates():
        events = EventAccumulator(str(logged / condition / f"replicate_{replicate:03d}"))
        events.Reload()
        records = stored_run.directory.records(condition, replicate)
        density = events.Scalars("level/density")
        assert [event.step for event in density] == list(range(len(records)))
        assert [event.value for event in density] == pytest.approx([record.density for record in records])
        accuracy = [event.value for event in events.Scalars("training/test_accuracy")]
        assert accuracy == pytest.approx(
            [value for record in records for value in record.curve.test_accuracy]
        )
        steps = [event.step for event in events.Scalars("training/test_accuracy")]
        assert steps == sorted(set(steps))
        near = events.Scalars("linear_0/locality.near")[-1].value
        assert near == pytest.approx(records[-1].measures["linear_0"]["locality.near"].value)


@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("announced", [True, False])
def test_levels_that_a_killed_run_stored_are_in_the_log(stored_run, tmp_path, logged, before, announced):
    """The first call logged some levels of the first replicate, perhaps of none other, and was killed."""
    first = stored_run.directory.replicates()[0]
    stored = stored_run.directory.num_levels(*first)
    assert stored > 1
    again = tmp_path / "again"
    killed = TensorBoardLog(again)
    for index in range(before):
        killed(stored_run.directory, *first, index)
    with TensorBoardLog(again) as log:
        if announced:
            log(stored_run.directory, *first, stored - 1)
        log.catch_up(stored_run.directory)
    for condition, replicate in stored_run.directory.replicates():
        place = f"{condition}/replicate_{replicate:03d}"
        events, expected = (
            EventAccumulator(str(folder / place)) for folder in (again / "tensorboard", logged)
        )
        events.Reload()
        expected.Reload()
        assert events.Tags()["scalars"] == expected.Tags()["scalars"]
        for tag in expected.Tags()["scalars"]:
            found = [(each.step, each.value) for each in events.Scalars(tag)]
            assert found == [(each.step, each.value) for each in expected.Scalars(tag)]


def test_without_the_package_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match=r"pip install 'sparsight\[tensorboard\]'"):
        TensorBoardLog(tmp_path)
