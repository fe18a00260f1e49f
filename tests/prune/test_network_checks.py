"""Networks that users bring: what cannot be pruned or measured is refused before anything is trained."""

import warnings
from typing import ClassVar

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune, spectral_norm

import sparsight
from sparsight.errors import InputError
from sparsight.prune import PruningSettings, Replicate, check_module, check_task, imp, imp_together
from sparsight.train import TrainingSettings
from tests.toy import linear_task

TASK = linear_task()
TRAINING = TrainingSettings(steps=12, batch_size=32, learning_rate=0.05)
PRUNING = PruningSettings(rate=0.5, max_levels=1)


def mlp(*, num_inputs=24, num_outputs=2):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(num_inputs, 12), nn.ReLU(), nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, num_outputs)
    )


def changed(change, index=2):
    network = mlp()
    network[index] = change(network[index]) or network[index]
    return network


class HeadFirst(nn.Module):
    """The output layer is defined before the hidden ones."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(9, 2)
        self.first = nn.Linear(24, 12)
        self.second = nn.Linear(12, 9)

    def forward(self, inputs):
        return self.head(torch.relu(self.second(torch.relu(self.first(inputs)))))


class Residual(HeadFirst):
    """A block is added to its input, and the outputs are normalised after the head."""

    def __init__(self):
        super().__init__()
        self.block = nn.Linear(9, 9)
        self.norm = nn.LayerNorm(2)

    def forward(self, inputs):
        hidden = torch.relu(self.second(torch.relu(self.first(inputs))))
        return self.norm(self.head(hidden + self.block(hidden)))


class TwoHeads(HeadFirst):
    def __init__(self):
        super().__init__()
        self.skip = nn.Linear(24, 2)

    def forward(self, inputs):
        return super().forward(inputs) + self.skip(inputs)


class Unused(HeadFirst):
    def __init__(self):
        super().__init__()
        self.auxiliary = nn.Linear(9, 2)


class ConvolutionalHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(24, 10)
        self.head = nn.Conv1d(1, 2, 10)

    def forward(self, inputs):
        return self.head(torch.relu(self.embed(inputs)).unsqueeze(1)).squeeze(2)


class Returning(nn.Module):
    def __init__(self, returned):
        super().__init__()
        self.network, self.returned = mlp(), returned

    def forward(self, inputs):
        return self.returned(self.network(inputs))


def pruned_layers(network, **options):
    return {
        name.removesuffix(".weight") for name in next(imp(network, TASK, TRAINING, PRUNING, **options)).masks
    }


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (HeadFirst, {"first", "second"}),
        (Residual, {"first", "second", "block"}),
        (ConvolutionalHead, {"embed"}),
        (lambda: HeadFirst().requires_grad_(False), {"first", "second"}),
        (lambda: Returning(lambda outputs: outputs.log_softmax(1)), {"network.0", "network.2"}),
    ],
)
def test_the_output_layer_is_found_by_what_the_network_does(make, expected):
    torch.manual_seed(0)
    network = make()
    next(iter(network.parameters())).requires_grad_(True)
    assert pruned_layers(network) == expected


def test_the_output_layer_is_pruned_if_asked_for():
    masks = next(imp(HeadFirst(), TASK, TRAINING, PruningSettings(max_levels=1, prune_output=True))).masks
    assert set(masks) == {"head.weight", "first.weight", "second.weight"}


def test_outputs_of_several_layers_have_to_be_named():
    with pytest.raises(
        InputError, match="from 'head' and 'skip', so .* name the layers to prune, among head"
    ):
        next(imp(TwoHeads(), TASK, TRAINING, PRUNING))
    assert pruned_layers(TwoHeads(), layers=["first"]) == {"first"}


def test_a_layer_that_is_never_called_is_left_out_with_a_warning():
    with pytest.warns(UserWarning, match="'auxiliary' is left out, because the network never calls it"):
        assert pruned_layers(Unused()) == {"first", "second"}
    with pytest.warns(UserWarning, match="'auxiliary' is left out"):
        found = sparsight.measure_network(Unused(), TASK, instruments=["gaussianity"])
    assert list(found) == ["head", "first", "second"]


def old_weight_norm(layer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return nn.utils.weight_norm(layer)


REFUSED = {
    "weight norm": (
        lambda: changed(parametrizations.weight_norm),
        r"layer '2' computes its weight .*\.remove_parametrizations\(network\.get_submodule\('2'\), 'weight'",
    ),
    "spectral norm": (lambda: changed(parametrizations.spectral_norm), "layer '2' .*remove_parametrizations"),
    "orthogonal": (lambda: changed(parametrizations.orthogonal), "layer '2' .*remove_parametrizations"),
    "older weight norm": (lambda: changed(old_weight_norm), r"layer '2' .*\(weight_norm\).*remove_weight"),
    "older spectral norm": (lambda: changed(spectral_norm), r"layer '2' .*\(spectral_norm\).*remove_spec"),
    "torch-pruned": (
        lambda: changed(lambda layer: prune.l1_unstructured(layer, "weight", 0.5)),
        r"layer '2' .*\(torch.nn.utils.prune\).*prune\.remove\(network\.get_submodule\('2'\), 'weight'\)",
    ),
    "lazy": (lambda: changed(lambda _: nn.LazyLinear(9)), "layer '2' is lazy .*run one batch first"),
    "lazy BatchNorm": (lambda: changed(lambda _: nn.LazyBatchNorm1d(), 1), "layer '1' is lazy"),
    "float64": (lambda: mlp().double(), r"0\.weight is float64, .* float32; call network\.float"),
    "float16": (lambda: mlp().half(), r"0\.weight is float16"),
    "one layer in bfloat16": (lambda: changed(lambda layer: layer.bfloat16()), r"2\.weight is bfloat16"),
    "inputs": (lambda: mlp(num_inputs=100), "layer '0' takes 100 inputs and receives 24 .* in_features=24"),
    "an inner width": (lambda: changed(lambda _: nn.Linear(13, 9)), "layer '2' takes 13 inputs and receives"),
    "own failure": (lambda: Returning(lambda outputs: outputs @ outputs), "network takes neither inputs"),
    "few outputs": (lambda: mlp(num_outputs=1), "network returns 1 outputs; task 'plane' has 2 classes"),
    "a tuple": (lambda: Returning(lambda outputs: (outputs, outputs)), "network returns a tuple; a tensor"),
    "a dictionary": (lambda: Returning(lambda outputs: {"logits": outputs}), "network returns a dict"),
    "one axis": (lambda: Returning(lambda outputs: outputs[:, 0]), r"returns float32 of shape \(7,\) for 7"),
    "whole numbers": (lambda: Returning(lambda outputs: outputs.int()), r"returns int32 of shape \(7, 2\)"),
    "frozen": (lambda: mlp().requires_grad_(False), "no parameter requires a gradient"),
    "no parameters": (nn.Flatten, "network has no parameters"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_trained_is_refused_before_training(kind):
    make, message = REFUSED[kind]
    taken = []
    with pytest.raises(InputError, match=message) as caught:
        next(imp(make(), TASK, TRAINING, PRUNING, on_step=taken.append))
    assert not taken
    assert len(str(caught.value).splitlines()) == 1


MEASURABLE = {
    "weight norm", "spectral norm", "orthogonal", "older weight norm", "older spectral norm", "torch-pruned",
    "few outputs", "a tuple", "a dictionary", "one axis", "whole numbers", "frozen",
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_measured_is_refused_alike_and_the_rest_is_measured(kind):
    make, message = REFUSED[kind]
    network = make()
    if kind in MEASURABLE:
        found = sparsight.measure_network(network, TASK, instruments=["gaussianity"])
        assert len(found) == 3
    else:
        with pytest.raises(InputError, match=message):
            sparsight.measure_network(network, TASK, instruments=["gaussianity"])


def test_a_data_loader_is_no_task():
    loader = torch.utils.data.DataLoader([(torch.zeros(24), 0)])
    for argument in ("task", "twin"):
        with pytest.raises(InputError, match=rf"{argument} is a DataLoader; a sparsight.Task is needed"):
            check_task(loader, argument)


def test_a_function_is_no_network():
    with pytest.raises(InputError, match="network is a .*; a torch.nn.Module is needed"):
        check_module(torch.relu)


def pictures(*layers):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv1d(1, 3, 5, padding=2), nn.ReLU(), nn.Flatten(), *layers, nn.Linear(72, 2))


def test_a_network_on_pictures_gets_pictures_and_is_the_same_as_behind_an_unflatten():
    network = pictures()
    behind = nn.Sequential(nn.Unflatten(1, (1, 24)), *pictures())
    level = next(imp(network, TASK, TRAINING, PRUNING, layers=["3"]))
    expected = next(imp(behind, TASK, TRAINING, PRUNING, layers=["4"]))
    assert torch.equal(level.final["3.weight"], expected.final["4.weight"])
    found = sparsight.measure_network(network, TASK, instruments=["gaussianity"])["3"]
    other = sparsight.measure_network(behind, TASK, instruments=["gaussianity"])["4"]
    name = "gaussianity.excess_kurtosis_per_unit"  # controls draw by the name of the layer
    assert found[name].identical(other[name])
    assert not network._forward_pre_hooks
    assert network.training


def test_a_convolution_that_would_take_the_batch_for_channels_gets_pictures():
    torch.manual_seed(0)
    task = linear_task(num_inputs=7 * 8)
    shaped = sparsight.Task.from_arrays(
        task.train_inputs.reshape(-1, 7, 8), task.train_labels, task.test_inputs.reshape(-1, 7, 8),
        task.test_labels, channels=7,
    )  # fmt: skip
    network = nn.Sequential(nn.Conv1d(7, 4, 3, padding=1), nn.Flatten(), nn.Linear(32, 2))
    level = next(imp(network, shaped, TRAINING, PRUNING, layers=["2"]))
    assert level.network(shaped.samples("test")[0]).shape == (100, 2)


class FunctionalDropout(HeadFirst):
    def forward(self, inputs):
        return super().forward(nn.functional.dropout(inputs, 0.3, self.training))


DROPOUTS = {
    "module": lambda: nn.Sequential(nn.Linear(24, 12), nn.Dropout(0.5), nn.ReLU(), nn.Linear(12, 2)),
    "alpha": lambda: nn.Sequential(nn.Linear(24, 12), nn.AlphaDropout(0.5), nn.SELU(), nn.Linear(12, 2)),
    "function": FunctionalDropout,
}


@pytest.mark.parametrize("kind", DROPOUTS)
@pytest.mark.parametrize("criterion", ["magnitude", "snip"])
def test_dropout_is_a_function_of_the_seed_alone(kind, criterion):
    torch.manual_seed(0)
    network = DROPOUTS[kind]()
    pruning = PruningSettings(rate=0.5, max_levels=1, criterion=criterion)

    def trained(seed):
        torch.rand(seed + 3)  # the global generator is somewhere else each time
        before = torch.get_rng_state()
        *_, level = imp(network, TASK, TRAINING, pruning, seed=seed)
        assert torch.equal(torch.get_rng_state(), before)
        return torch.cat([value.flatten() for value in level.final.values()])

    assert torch.equal(trained(0), trained(0))
    assert not torch.equal(trained(0), trained(1))


@pytest.mark.parametrize("kind", DROPOUTS)
def test_a_level_with_dropout_goes_on_from_a_checkpoint_as_if_never_stopped(kind):
    torch.manual_seed(0)
    network, stored = DROPOUTS[kind](), []

    def keep(progress):
        if progress.level == 0 and progress.trainer.step == 7:
            stored.append(sparsight.prune.Checkpoint(0, *progress.trainer.state(), progress.rewind))

    whole = next(imp(network, TASK, TRAINING, PRUNING, on_step=keep))
    resumed = next(imp(network, TASK, TRAINING, PRUNING, checkpoint=stored[0]))
    assert all(torch.equal(value, whole.final[name]) for name, value in resumed.final.items())


@pytest.mark.parametrize("kind", DROPOUTS)
def test_networks_with_dropout_are_not_trained_together(kind):
    torch.manual_seed(0)
    replicates = [Replicate(network=DROPOUTS[kind](), task=TASK, seed=seed) for seed in (0, 1)]
    with pytest.raises(InputError, match="draws random numbers in training"):
        next(imp_together(replicates, TRAINING, PRUNING))


class Marked(nn.Module):
    """Modules whose modes differ keep them."""

    modes: ClassVar = [True, False]

    def __init__(self):
        super().__init__()
        self.norm, self.head = nn.BatchNorm1d(24).eval(), nn.Linear(24, 2)

    def forward(self, inputs):
        return self.head(self.norm(inputs))


def test_measuring_leaves_the_mode_of_every_module():
    network = Marked()
    sparsight.measure_network(network, TASK, instruments=["gaussianity"])
    assert [network.training, network.norm.training] == Marked.modes
