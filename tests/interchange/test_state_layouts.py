"""State dicts as other tools write them: masks, nesting and prefixes."""

import pytest
import torch
from torch import nn
from torch.nn.utils import prune, spectral_norm

from sparsight.errors import InputError
from sparsight.interchange import from_prune_names, from_zeros, read_state

MASK = torch.rand(5, 7, generator=torch.Generator().manual_seed(3)) < 0.4


def dense_state():
    torch.manual_seed(0)
    return dict(nn.Sequential(nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 2)).state_dict())


def baked_state():
    return dense_state() | {"0.weight": dense_state()["0.weight"] * MASK}


LAYOUTS = {
    "torch": ("0.weight_orig", "0.weight_mask"),
    "weight beside its mask": ("0.weight", "0.weight_mask"),
    "mask in the layer": ("0.weight", "0.mask"),
    "private mask in the layer": ("0.weight", "0._mask"),
    "mask of a parameter": ("0.weight", "0.mask_weight"),
    "mask beside the modules": ("0.weight", "mask_0.weight"),
    "mask under a buffer's name": ("0.weight", "mask_0_weight"),
    "suffixed buffer": ("0.weight", "0_weight_mask"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.bool, torch.float32, torch.uint8])
@pytest.mark.parametrize("hidden", [0.0, 3.0, torch.nan, torch.inf])
def test_masks_are_found_in_every_layout_whatever_they_hide(layout, dtype, hidden):
    weight_key, mask_key = LAYOUTS[layout]
    state = dense_state()
    weight = state.pop("0.weight").masked_fill(~MASK, hidden)
    read = from_prune_names(state | {weight_key: weight, mask_key: MASK.to(dtype)})
    assert set(read.masks) == {"0.weight"}
    assert torch.equal(read.masks["0.weight"], MASK)
    assert torch.equal(read.state["0.weight"], baked_state()["0.weight"])
    assert set(read.state) == set(dense_state())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("attn_mask", torch.ones(7, 7).tril()),
        ("0.causal_mask", torch.ones(3, 3).tril().bool()),
        ("mask_token", torch.zeros(1, 1, 5)),
        ("key_padding_mask", torch.zeros(2, 4, dtype=torch.bool)),
        ("0.mask", torch.ones(3)),  # of another shape than the weight
        ("mask_2.weight", torch.full((2, 5), 0.3)),  # a layer of that name
        ("masked.weight", torch.ones(5, 7)),
    ],
)
def test_buffers_and_layers_with_mask_in_their_name_are_kept_as_they_are(name, value):
    state = dense_state() | {"0.weight_mask": MASK, name: value}
    read = from_prune_names(state)
    assert set(read.masks) == {"0.weight"}
    assert torch.equal(read.state[name], value)


def test_the_mask_of_an_attention_does_not_hide_that_another_is_missing():
    state = dense_state() | {"attn_mask": torch.ones(2, 2)}
    with pytest.raises(InputError, match=r"state: 4\.weight_orig is missing"):
        from_prune_names(state | {"4.weight_mask": MASK})
    with pytest.raises(InputError, match=r"state: 4\.weight_mask is missing"):
        from_prune_names(state | {"4.weight_orig": MASK.float()})
    with pytest.raises(InputError, match=r"0\.weight_mask has shape \(2, 2\), 0\.weight \(5, 7\)"):
        from_prune_names(state | {"0.weight_mask": torch.ones(2, 2)})


def test_spectral_norm_is_not_taken_for_a_pruned_weight():
    module = nn.Sequential(spectral_norm(nn.Linear(7, 5)))
    with pytest.raises(InputError, match=r"0\.weight_orig comes from spectral_norm.*remove_spectral_norm"):
        from_prune_names(module.state_dict())


def test_zeros_without_masks_are_not_read_as_dense():
    with pytest.raises(InputError, match=r"no masks, but zeros in 0\.weight \(\d+%\); .*from_zeros\(state\)"):
        from_prune_names(baked_state())
    convolution = {"conv.weight": torch.eye(3).expand(2, 1, 3, 3).clone()}
    with pytest.raises(InputError, match=r"zeros in conv\.weight \(67%\)"):
        from_prune_names(convolution)


def test_a_dense_state_and_one_masked_in_part_are_read_with_a_warning():
    with pytest.warns(UserWarning, match="neither masks nor zeros in its weights: it is read as dense"):
        assert from_prune_names(dense_state()).density == 1
    partly = dense_state() | {"0.weight_mask": MASK, "2.weight": torch.eye(2, 5)}
    with pytest.warns(UserWarning, match=r"partly 0 and count as kept: 2\.weight \(80%\)"):
        assert set(from_prune_names(partly).masks) == {"0.weight"}


def test_the_padding_of_an_embedding_is_kept():
    torch.manual_seed(0)
    embedding = nn.Embedding(6, 4, padding_idx=2)
    state = baked_state() | {"embed.weight": embedding.weight.detach()}
    with pytest.warns(
        UserWarning, match=r"masks of 0\.weight were .* row of zeros in embed\.weight counts as kept"
    ):
        read = from_zeros(state)
    assert set(read.masks) == {"0.weight"}
    pruned = embedding.weight.detach().clone()
    pruned[0, 0] = 0  # one more zero: pruned, padding included
    with pytest.warns(UserWarning, match=r"embed\.weight"):
        assert not from_zeros({"embed.weight": pruned}).masks["embed.weight"][2].any()


def test_masks_are_not_inferred_from_zeros_where_they_are_there():
    with pytest.raises(InputError, match=r"holds masks \(0\.weight_mask\); call .*from_prune_names"):
        from_zeros(dense_state() | {"0.weight_mask": MASK})


def nested(state, *keys):
    for key in reversed(keys):
        state = {key: state, "epoch": 3}
    return state


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: nested(state, "state_dict"),
        lambda state: nested(state, "model_state_dict") | {"optimizer": {"state": {}, "param_groups": []}},
        lambda state: nested(state, "model") | {"ema": state},
        lambda state: nested(state, "learner"),
        lambda state: nested(state, "model", "state_dict"),
        lambda state: {f"module.{name}": value for name, value in state.items()},
        lambda state: {f"_orig_mod.{name}": value for name, value in state.items()},
        lambda state: {f"module._orig_mod.{name}": value for name, value in state.items()},
        lambda state: {f"_orig_mod.module.{name}": value for name, value in state.items()},
        lambda state: {name.replace("0.", "0._orig_mod."): value for name, value in state.items()},
        lambda state: {f"module.{name}": state[name] for name in state} | {"n_averaged": torch.tensor(3)},
        lambda state: nested({f"module.{name}": value for name, value in state.items()}, "state_dict"),
    ],
)  # fmt: skip
def test_checkpoints_and_prefixes_are_seen_through(tmp_path, wrap):
    module = nn.Sequential(nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 2))
    prune.custom_from_mask(module[0], "weight", MASK)
    state = module.state_dict()
    torch.save(wrap(dict(state)), tmp_path / "file.pt")
    read = read_state(tmp_path / "file.pt")
    assert read.keys() == state.keys()
    assert all(torch.equal(value, state[name]) for name, value in read.items())
    assert torch.equal(from_prune_names(wrap(dict(state))).masks["0.weight"], MASK)
    with pytest.warns(UserWarning, match=r"masks of 0\.weight"):
        assert torch.equal(from_zeros(wrap(baked_state())).masks["0.weight"], MASK)


def test_a_module_called_module_beside_others_keeps_its_name():
    state = {"module.weight": torch.ones(2, 2), "head.weight": torch.ones(1, 2)}
    with pytest.warns(UserWarning, match="dense"):
        assert from_prune_names(state).state.keys() == state.keys()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"generator": dense_state(), "critic": dense_state()}, r"several state dicts \(generator, critic\)"),
        ({"epoch": 3, "losses": [1.0]}, "does not hold a state dict: .* there are epoch, losses"),
        ([1, 2], "holds a list and not a state dict"),
        (torch.ones(3), "holds a Tensor and not a state dict"),
    ],
)  # fmt: skip
def test_what_holds_no_single_state_dict_is_refused_with_the_keys(tmp_path, content, message):
    torch.save(content, tmp_path / "file.pt")
    with pytest.raises(InputError, match=message):
        read_state(tmp_path / "file.pt")
    with pytest.raises(InputError, match=message):
        from_prune_names(content)
