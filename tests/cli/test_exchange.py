import pytest
import torch

from sparsight.cli import main
from sparsight.interchange._hub import read_hub_folder
from sparsight.interchange._pruned_state import from_prune_names
from sparsight.interchange._state_files import read_state
from sparsight.store import open_run


def call(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(each) for each in arguments])
    return ended.value.code


def test_the_command_line_exports_and_imports(short_run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    stored_run = open_run(short_run)
    condition = stored_run.recipe.condition_names()[0]
    level = stored_run.level(condition, 0, stored_run.directory.num_levels(condition, 0) - 1)
    for kind, out in (("prune", "a.safetensors"), ("baked", "b.safetensors")):
        assert call("export", stored_run.path, "--format", kind, "--out", out) == 0
    masked = from_prune_names(read_state(tmp_path / "a.safetensors"))
    baked = read_state(tmp_path / "b.safetensors")
    for name, value in level.final.items():
        assert torch.equal(masked.state[name], value)
        assert torch.equal(baked[name], value)
    assert all(torch.equal(masked.masks[name], mask) for name, mask in level.masks.items())
    assert call("export", stored_run.path, "--format", "hub", "--out", "hub") == 0
    network, _ = read_hub_folder(tmp_path / "hub")
    assert torch.equal(network.get_parameter("linear_0.weight"), level.final["linear_0.weight"])
    assert call("export", stored_run.path, "--condition", "nobody") == 2
    assert call("export", stored_run.path, "--level", 99) == 2
    assert "levels 0 to" in capsys.readouterr().err
