"""Convolutions that are named are pruned: masks, controls and refusals in the shape of their kernels."""

import pytest
import torch
from torch import nn

from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.prune import (
    Checkpoint,
    CompactWindows,
    PruningSettings,
    RearrangedMasks,
    Replicate,
    imp,
    imp_together,
    starting_state,
    train_masked,
)
from sparsight.train import TrainingSettings, connect
from tests.convolutional import LAYERS, convolutional, masked, pictures

TASK = pictures()
TRAINING = TrainingSettings(steps=9, batch_size=32, learning_rate=0.05, momentum=0.9, weight_decay=1e-3)


def pruned(network=None, layers=LAYERS, training=TRAINING, seed=1, **settings):
    pruning = PruningSettings(**{"rate": 0.5, "max_levels": 2, "prune_biases": True, **settings})
    return imp(network or convolutional(), TASK, training, pruning, layers=layers, seed=seed)


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_kernels_are_pruned_to_the_weight_and_stay_at_zero(scope):
    levels = list(pruned(scope=scope))
    shapes = {"0": (4, 2, 3, 3), "3": (6, 4, 2, 3), "6": (4, 3, 2, 2)}
    for level in levels:
        assert {name: tuple(mask.shape) for name, mask in level.masks.items()} == {
            "0.weight": shapes["0"], "0.bias": (4,), "3.weight": shapes["3"],
            "6.weight": shapes["6"], "6.bias": (4,),
        }  # fmt: skip
        assert set(level.kernels.values()) == {"dense"}
        for name, value in level.final.items():
            if name in level.masks:
                assert not value[~level.masks[name]].any()
            elif value.is_floating_point():
                assert (value != 0).float().mean() > 0.9, name
    sizes = [sum(int(mask.sum()) for mask in level.masks.values()) for level in levels]
    assert sizes == [272, 136, 68]
    assert all(torch.equal(levels[2].rewind[name], levels[0].initial[name]) for name in levels[0].initial)
    # Magnitude, ranked by hand over all kernels together.
    if scope == "global":
        first = torch.cat([levels[0].final[name].abs().flatten() for name in levels[0].masks])
        kept = torch.cat([mask.flatten() for mask in levels[1].masks.values()])
        assert first[kept].min() >= first[~kept].max()


def test_by_default_linear_layers_are_pruned_and_convolutions_trained_whole():
    network = nn.Sequential(*convolutional(), nn.ReLU(), nn.Linear(2, 2))
    level = next(pruned(network, layers=None, prune_biases=False))
    assert list(level.masks) == ["9.weight"]


def test_a_level_goes_on_from_a_checkpoint_as_if_never_stopped():
    stored = []

    def keep(progress):
        if (progress.level, progress.trainer.step) == (1, 5):
            stored.append(Checkpoint(1, *progress.trainer.state(), progress.rewind))

    pruning = PruningSettings(rate=0.5, max_levels=2)
    arguments = (convolutional(), TASK, TRAINING, pruning)
    levels = list(imp(*arguments, layers=LAYERS, on_step=keep))
    again = next(imp(*arguments, layers=LAYERS, start=levels[0], checkpoint=stored[0]))
    assert all(torch.equal(value, levels[1].final[name]) for name, value in again.final.items())
    assert all(torch.equal(mask, levels[1].next_masks[name]) for name, mask in again.next_masks.items())


def test_networks_trained_together_are_what_they_are_alone():
    pruning = PruningSettings(rate=0.5, max_levels=1)
    replicates = [Replicate(network=convolutional(seed), task=TASK, seed=seed) for seed in (0, 1)]
    found = {0: [], 1: []}
    for position, level in imp_together(replicates, TRAINING, pruning, layers=LAYERS):
        found[position].append(level)
    for seed, levels in found.items():
        alone = imp(convolutional(seed), TASK, TRAINING, pruning, layers=LAYERS, seed=seed)
        for mine, other in zip(levels, alone, strict=True):
            for name, value in other.final.items():
                torch.testing.assert_close(mine.final[name], value, rtol=1e-4, atol=1e-5)


def test_given_masks_are_trained_and_connected():
    network = convolutional()
    masks = masked(convolutional(), 0.5)
    copies = [train_masked(network, TASK, TRAINING, masks, seed=seed) for seed in (1, 2)]
    for level in copies:
        for name, mask in masks.items():
            assert torch.equal(level.masks[name], mask)
            assert torch.equal(level.final[name] != 0, mask)
    path = connect(copies[0].network, copies[1].network, TASK)
    assert path.batch_norm_samples == len(TASK.train_labels)
    assert connect(copies[0].network, copies[0].network, TASK).loss_barrier == 0


def matrices(masks):
    return {name: mask.flatten(1) for name, mask in masks.items()}


def rearranged(masks, how):
    return RearrangedMasks(source=masks, how=how, seed=3, geometry=TASK.geometry)


@pytest.mark.parametrize("how", ["layer", "unit", "rows_columns"])
def test_rearranged_kernels_keep_what_the_same_matrices_keep(how):
    """A kernel is permuted as the matrix is that it is on patches, which the tests of matrices check."""
    levels = [masked(convolutional(), density) for density in (1.0, 0.6)]
    source, flat = rearranged(levels, how), rearranged([matrices(masks) for masks in levels], how)
    for level, masks in enumerate(levels):
        for name, mask in source.masks(level).items():
            assert mask.shape == masks[name].shape
            assert torch.equal(mask.flatten(1), flat.masks(level)[name])
            if level:
                assert not torch.equal(mask, masks[name])


def test_masks_of_positions_need_a_first_layer_that_reads_the_whole_input():
    message = r"reads the 60 inputs of the geometry, but 0.weight has shape \(4, 2, 3, 3\)"
    with pytest.raises(InputError, match=message):
        rearranged([masked(convolutional(), 0.5)], "pixels")
    pruning = PruningSettings(masks_from="windows", max_levels=1)
    with pytest.raises(InputError, match=message):
        CompactWindows(shapes={"0.weight": (4, 2, 3, 3)}, geometry=TASK.geometry, pruning=pruning, seed=0)
    with pytest.raises(InputError, match="0.weight has shape"):
        # As many channels as the geometry has inputs: still no layer that reads each of them at its place.
        CompactWindows(
            shapes={"0.weight": (4, 9, 1, 1)}, geometry=Geometry(1, (3, 3)), pruning=pruning, seed=0
        )


@pytest.mark.parametrize("weights", ["fresh", "signs", "constant"])
def test_other_starting_weights_are_those_of_kernels_as_well(weights):
    network, fresh = convolutional(0), convolutional(1)
    state = starting_state(network, fresh, weights)
    for name in ("0.weight", "3.weight", "9.weight"):
        before, drawn = network.get_parameter(name).detach(), fresh.get_parameter(name).detach()
        assert torch.equal(state[name], drawn) == (weights == "fresh")
        if weights != "fresh":
            assert torch.equal(state[name].sign(), before.sign())
            magnitude = drawn.abs() if weights == "signs" else before.std(correction=0).expand_as(before)
            torch.testing.assert_close(state[name].abs(), magnitude, rtol=1e-6, atol=0)
    assert torch.equal(state["0.bias"], (fresh if weights == "fresh" else network).get_parameter("0.bias"))


def test_a_convolution_that_pruning_empties_is_named():
    network = convolutional()
    with torch.no_grad():
        network[3].weight.mul_(1e-3)
    untrained = TrainingSettings(steps=0, batch_size=32)
    with pytest.warns(UserWarning, match="leaves no weight in layer '3'"):
        list(pruned(network, training=untrained, max_levels=4, prune_biases=False))


@pytest.mark.parametrize("severed", [True, False])
def test_outputs_that_kernels_cut_off_from_the_inputs_are_said(severed, recwarn):
    masks = {f"{name}.weight": torch.ones(shape, dtype=torch.bool)
             for name, shape in (("0", (4, 2, 3, 3)), ("3", (6, 4, 2, 3)))}  # fmt: skip
    after = {name: mask.clone() for name, mask in masks.items()}
    after["0.weight"][:2] = False
    after["3.weight"][:, 2:] = not severed
    untrained = TrainingSettings(steps=0, batch_size=32)
    list(imp(convolutional(), TASK, untrained, PruningSettings(), layers=["0", "3"], masks=[masks, after]))
    said = [str(each.message) for each in recwarn]
    assert any("outputs that no longer depend on the inputs" in each for each in said) == severed


class Others(nn.Module):
    """Layers that are no linear map of one patch at a time."""

    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose2d(2, 3, 2)
        self.solid = nn.Conv3d(1, 2, (1, 2, 2))
        self.norm = nn.BatchNorm2d(3)
        self.plain = nn.Conv2d(3, 2, 2)
        self.same = nn.Conv2d(3, 2, 2)
        self.same.weight = self.plain.weight

    def forward(self, inputs):
        hidden = self.plain(self.norm(self.up(inputs))) + self.same(self.up(inputs))
        return (hidden + self.solid(inputs[:, None])[:, 0].sum() * 0).mean((2, 3))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (["up"], "layers: 'up' is a ConvTranspose2d; layers of the classes torch.nn.Linear, Conv1d and"),
        (["solid"], "layers: 'solid' is a Conv3d; .* choose from plain, same"),
        (["norm"], "'norm' is a BatchNorm2d"),
        (["down"], "'down' is no layer of this network"),
        (["plain", "same"], "'plain' and 'same' share one weight"),
        (None, "there is no layer to prune .*; name at least one, among plain, same"),
    ],
)  # fmt: skip
def test_layers_that_cannot_be_pruned_are_named_before_training(layers, message):
    with pytest.raises(InputError, match=message):
        next(pruned(Others(), layers=layers))


def test_settings_that_are_for_linear_layers_are_refused_before_training():
    with pytest.raises(InputError, match=r"layer '0' is a Conv2d; set pruning.min_connected_fraction to 0"):
        next(pruned(min_connected_fraction=0.5))
    with pytest.raises(InputError, match=r"kernel is 'csr', but 0.weight is the weight of a convolution"):
        next(pruned(training=TRAINING.model_copy(update={"kernel": "csr"})))


def test_layers_between_which_something_else_stands_have_no_connected_units():
    network = nn.Sequential(nn.Linear(60, 8), nn.Unflatten(1, (2, 2, 2)), nn.Conv2d(2, 3, 1), nn.Flatten(),
                            nn.Linear(12, 2))  # fmt: skip
    with pytest.raises(InputError, match="'4' has 12 inputs and '0' before it 8 units"):
        next(pruned(network, layers=["0"], min_connected_fraction=0.5))
