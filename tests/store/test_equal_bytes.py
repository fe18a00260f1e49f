"""Equal levels have equal files, byte by byte, whatever the number of their masks."""

import pytest

from sparsight.prune import PruningSettings, imp
from sparsight.store._level_files import MASKS, MEASURES, WEIGHTS, write_level
from sparsight.train import TrainingSettings
from tests.toy import linear_task, small_network

FACTS = {"connectivity": {"num_units": 1, "num_connected": 1, "severed_layers": [], "has_path": True}}


@pytest.mark.parametrize("widths", [(12,), (9, 8, 7, 6, 5)])
def test_a_level_that_is_written_again_has_the_same_bytes(tmp_path, widths):
    task = linear_task()
    settings = TrainingSettings(steps=2, batch_size=32)
    (level,) = imp(small_network(task, widths=widths), task, settings, PruningSettings(max_levels=0))
    found = set()
    for number in range(8):
        folder = tmp_path / f"{number}" / "level_000"
        folder.parent.mkdir()
        write_level(folder, level, {}, FACTS)
        found.add(tuple((folder / name).read_bytes() for name in (WEIGHTS, MASKS, MEASURES, "level.json")))
    assert len(found) == 1
