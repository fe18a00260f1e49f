import copy

import pytest
import torch
from hypothesis import given, strategies as st
from torch import nn
from torch.nn.utils import prune

from sparsight.errors import InputError
from sparsight.interchange import (
    PrunedState,
    from_prune_names,
    from_zeros,
    read_state,
    to_prune_names,
    write_state,
)


def random_state(seed, shapes, share):
    stream = torch.Generator().manual_seed(seed)
    state, masks = {"norm.running_mean": torch.randn(3, generator=stream)}, {}
    for index, shape in enumerate(shapes):
        name = f"linear_{index}.weight"
        masks[name] = torch.rand(shape, generator=stream) < share
        state[name] = torch.randn(shape, generator=stream) * masks[name]
        state[f"linear_{index}.bias"] = torch.randn(shape[0], generator=stream)
    return PrunedState(state, masks)


SHAPES = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=3)


@given(seed=st.integers(0, 2**31), shapes=SHAPES, share=st.floats(0, 1))
def test_prune_names_come_back_bit_for_bit(tmp_path_factory, seed, shapes, share):
    pruned = random_state(seed, shapes, share)
    path = tmp_path_factory.mktemp("state") / "level.safetensors"
    write_state(path, to_prune_names(pruned))
    back = from_prune_names(read_state(path))
    assert back.state.keys() == pruned.state.keys()
    assert all(torch.equal(back.state[name], value) for name, value in pruned.state.items())
    assert back.masks.keys() == pruned.masks.keys()
    assert all(torch.equal(back.masks[name], mask) for name, mask in pruned.masks.items())
    assert back.density == pruned.density


@given(seed=st.integers(0, 2**31), shapes=SHAPES, share=st.floats(0, 1))
def test_zeros_give_the_masks_back_where_no_kept_weight_is_zero(seed, shapes, share):
    pruned = random_state(seed, shapes, share)
    with pytest.warns(UserWarning, match="inferred from zeros"):
        back = from_zeros({f"model.{name}": value for name, value in pruned.state.items()}, "model.")
    assert all(torch.equal(back.state[name], value) for name, value in pruned.state.items())
    for name, mask in pruned.masks.items():
        is_padding = (
            mask.shape[1] >= 4
            and len(mask) > 1
            and sorted(mask.sum(1).tolist()) == [0] + [mask.shape[1]] * (len(mask) - 1)
        )
        if is_padding:  # one whole row and nothing else: read as the padding of an embedding
            mask = torch.ones_like(mask)
        assert torch.equal(back.masks[name] if name in back.masks else torch.ones_like(mask), mask)


def pruned_module():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 2))
    prune.l1_unstructured(module[0], "weight", amount=0.4)
    prune.random_unstructured(module[2], "weight", amount=3)
    prune.l1_unstructured(module[2], "bias", amount=1)
    return module


def test_a_live_module_pruned_with_torch_is_read_and_computes_the_same():
    module = pruned_module()
    pruned = from_prune_names(module.state_dict())
    assert set(pruned.masks) == {"0.weight", "2.weight", "2.bias"}
    assert int(pruned.masks["0.weight"].sum()) == 35 - 14
    plain = nn.Sequential(nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 2))
    plain.load_state_dict(pruned.state)
    inputs = torch.randn(9, 7)
    assert torch.equal(plain(inputs), module(inputs))


def test_what_we_write_loads_into_a_module_pruned_with_torch(tmp_path):
    pruned = from_prune_names(pruned_module().state_dict())
    write_state(tmp_path / "level.safetensors", to_prune_names(pruned))
    module = nn.Sequential(nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 2))
    for layer, name in ((module[0], "weight"), (module[2], "weight"), (module[2], "bias")):
        prune.identity(layer, name)
    module.load_state_dict(read_state(tmp_path / "level.safetensors"))
    inputs = torch.randn(9, 7)
    assert torch.equal(module(inputs), pruned_module()(inputs))


def test_files_of_torch_and_lightning_are_read_without_running_them(tmp_path):
    state = pruned_module().state_dict()
    torch.save(state, tmp_path / "plain.pt")
    torch.save({"state_dict": state, "epoch": 3, "pytorch-lightning_version": "2.5"}, tmp_path / "light.ckpt")
    for name in ("plain.pt", "light.ckpt"):
        read = read_state(tmp_path / name)
        assert all(torch.equal(read[key], value) for key, value in state.items())


class _Hostile:
    def __reduce__(self):
        return print, ("hostile",)


@pytest.mark.parametrize("content", [[1, 2], {"a": 3}, _Hostile()])
def test_files_other_than_state_dicts_are_refused(tmp_path, content, capsys):
    torch.save(content, tmp_path / "file.pt")
    with pytest.raises(InputError, match="state dict"):
        read_state(tmp_path / "file.pt")
    assert "hostile" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["file.pt", "file.safetensors"])
@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04"])
def test_damaged_files_are_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as a state dict"):
        read_state(tmp_path / name)


def test_states_that_do_not_fit_are_named():
    state = dict(pruned_module().state_dict())
    without = {name: value for name, value in state.items() if name != "0.weight_mask"}
    with pytest.raises(InputError, match="0.weight_mask is missing"):
        from_prune_names(without)
    with pytest.raises(InputError, match="holds numbers other than 0 and 1"):
        from_prune_names(state | {"0.weight_mask": state["0.weight_mask"] * 0.5})
    with pytest.raises(InputError, match=r"0.weight_mask has shape \(2, 2\)"):
        from_prune_names(state | {"0.weight_mask": torch.ones(2, 2)})
    with pytest.raises(InputError, match="no name begins with 'net.'"):
        from_zeros(state, "net.")


def test_the_state_that_is_read_is_a_copy():
    module = pruned_module()
    before = copy.deepcopy(module.state_dict())
    for value in from_prune_names(module.state_dict()).state.values():
        value.zero_()
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
