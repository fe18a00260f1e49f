import json

import pytest
import torch
from torch import nn

from sparsight.sparse import _crossover as crossover
from sparsight.store import read_sealed, recorded_crossovers
from sparsight.store._crossover_file import CROSSOVERS

LARGE = nn.Sequential(nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 3))
SMALL = nn.Sequential(nn.Linear(8, 4))


@pytest.fixture
def asked(monkeypatch):
    """The shapes that were measured; the n-th answer is 1 / 2^n."""
    shapes = []

    def measure(shape, device):
        shapes.append(shape)
        return 0.5 ** len(shapes)

    monkeypatch.setattr(crossover, "_measured_crossover", measure)
    return shapes


def test_a_run_measures_once_and_reads_ever_after(tmp_path, asked):
    assert recorded_crossovers(tmp_path, LARGE, "auto") == {"256x512": 0.5}
    assert recorded_crossovers(tmp_path, LARGE, "auto") == {"256x512": 0.5}
    assert asked == [(256, 512)]
    content = read_sealed(tmp_path / CROSSOVERS)
    assert content["cpu"] == {
        "crossovers": {"256x512": 0.5},
        "threads": torch.get_num_threads(),
        "device": "cpu",
    }


def test_another_shape_is_added_and_what_was_known_stays(tmp_path, asked):
    recorded_crossovers(tmp_path, LARGE, "auto")
    wider = nn.Sequential(nn.Linear(512, 256), nn.Linear(256, 1024))
    assert recorded_crossovers(tmp_path, wider, "auto") == {"256x512": 0.5, "1024x256": 0.25}
    assert asked == [(256, 512), (1024, 256)]


def test_nothing_is_measured_where_nothing_depends_on_it(tmp_path, asked):
    for network, kernel in [(LARGE, "dense"), (LARGE, "csr"), (SMALL, "auto")]:
        assert recorded_crossovers(tmp_path, network, kernel) == {}
    assert asked == []
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_measured_again(tmp_path, asked):
    recorded_crossovers(tmp_path, LARGE, "auto")
    content = json.loads((tmp_path / CROSSOVERS).read_text())
    content["cpu"]["crossovers"]["256x512"] = 0.9
    (tmp_path / CROSSOVERS).write_text(json.dumps(content))
    assert recorded_crossovers(tmp_path, LARGE, "auto") == {"256x512": 0.25}
