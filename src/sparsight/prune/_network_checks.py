"""Whether a network can be pruned or measured on a task, found out by running a few samples of it."""

import copy
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils.hooks import RemovableHandle

from sparsight.arguments import described
from sparsight.data import Task
from sparsight.errors import InputError
from sparsight.network import evaluating, is_chain, layer_inputs, linear_layers, linear_maps
from sparsight.prune._output_layers import called_layers, output_layers
from sparsight.streams import torch_draws

# No usual number of channels: with as many samples as channels, a convolution takes a batch for one picture.
_NUM_SAMPLES = 7


def check_task(task: Any, argument: str = "task") -> None:
    """Refuse data that are no `Task`, such as a DataLoader.

    Raises
    ------
    InputError
        The message names the functions that make a task.
    """
    if not isinstance(task, Task):
        raise InputError(
            f"{argument} is {described(task)}; a sparsight.Task is needed: make one with "
            "Task.from_dataset(train, test) or Task.from_arrays(inputs, labels, test_inputs, test_labels)"
        )


def check_module(network: Any) -> None:
    """Refuse what is no module, has no parameters, or has layers without weights yet.

    Raises
    ------
    InputError
        The message names the layer.
    """
    if not isinstance(network, nn.Module):
        raise InputError(f"network is {described(network)}; a torch.nn.Module is needed")
    if next(network.parameters(), None) is None:
        raise InputError("network has no parameters; a torch.nn.Module with at least one is needed")
    for name, parameter in network.named_parameters():
        if is_lazy(parameter):
            raise InputError(
                f"network: layer {name.rpartition('.')[0]!r} is lazy and has no weights yet; run one batch "
                "first: network(task.samples('train', 0, 2)[0])"
            )


def copied(network: nn.Module) -> nn.Module:
    """Return a copy of a network, to be trained in place of it.

    Raises
    ------
    InputError
        If a module holds a weight that its forward pass computes from other parameters, as
        ``torch.nn.utils.prune`` and the older ``weight_norm`` and ``spectral_norm`` do.
    """
    for name, module in network.named_modules():
        for attribute, value in vars(module).items():
            if isinstance(value, Tensor) and value.grad_fn is not None:
                raise InputError(_computed(network, name, attribute))
    return copy.deepcopy(network)


def check_weights(network: nn.Module, layers: Sequence[str]) -> None:
    """Refuse layers whose weight is no parameter: a mask could not keep it at 0.

    Raises
    ------
    InputError
        The message names the layer and the call that makes the weight a parameter again.
    """
    parameters = dict(network.named_parameters(remove_duplicate=False))
    maps = linear_maps(network)
    for layer in layers:
        name = maps[layer].weight_name
        if name not in parameters:
            module, _, attribute = name.rpartition(".")
            raise InputError(_computed(network, module, attribute))


def _computed(network: nn.Module, layer: str, attribute: str) -> str:
    """Return the message about a weight that is computed from other parameters or buffers."""
    module = network.get_submodule(layer)
    own = {name for name, _ in [*module.named_parameters(), *module.named_buffers()]}
    there = f"network.get_submodule({layer!r})"
    if f"{attribute}_mask" in own:
        mend = (
            f"torch.nn.utils.prune.remove({there}, {attribute!r}); its zeros are trained again unless you "
            "give them as masks to sparsight.prune.train_masked"
        )
        by = "torch.nn.utils.prune"
    elif f"{attribute}_g" in own:
        by, mend = "weight_norm", f"torch.nn.utils.remove_weight_norm({there}, {attribute!r})"
    elif f"{attribute}_u" in own:
        by, mend = "spectral_norm", f"torch.nn.utils.remove_spectral_norm({there}, {attribute!r})"
    else:
        by = "a parametrization"
        mend = f"torch.nn.utils.parametrize.remove_parametrizations({there}, {attribute!r})"
    return (
        f"network: layer {layer!r} computes its {attribute} from other tensors ({by}), so that a mask cannot "
        f"keep it at 0; call {mend}"
    )


@dataclass(frozen=True)
class _AsPictures:
    """A hook that gives flat inputs the shape that the network wants."""

    shape: tuple[int, ...]

    def __call__(self, _module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        return (arguments[0].reshape(-1, *self.shape), *arguments[1:])


def fit_inputs_(network: nn.Module, task: Task) -> RemovableHandle | None:
    """Make a network take flat inputs, (n, num_inputs), if it wants (n, channels, *size).

    The names of its parameters stay. A network that already takes flat inputs stays as it is.

    Returns
    -------
    RemovableHandle or None
        Its ``remove`` undoes the change; None if there was nothing to change.

    Raises
    ------
    InputError
        If the network takes neither; the message names the first layer that does not fit.
    """
    inputs = _trial_inputs(network, task)
    flat = _attempt(network, inputs)
    if flat is None:
        return None
    pictures = _attempt(network, inputs.reshape(len(inputs), *task.geometry.shape))
    if pictures is None:
        return network.register_forward_pre_hook(_AsPictures(task.geometry.shape))
    raise InputError(_misfit(network, inputs, task, flat, pictures))


@contextmanager
def fitted_inputs(network: nn.Module, task: Task) -> Iterator[None]:
    """Make a network take flat inputs inside the block; see `fit_inputs_`."""
    handle = fit_inputs_(network, task)
    try:
        yield
    finally:
        if handle is not None:
            handle.remove()


def check_outputs(network: nn.Module, task: Task) -> None:
    """Refuse a network whose outputs are not (n, classes), with a class for every label.

    Raises
    ------
    InputError
        The message says what the network returns.
    """
    inputs = _trial_inputs(network, task)
    with torch.no_grad(), evaluating(network), torch_draws(inputs.device, 0, "trial"):
        outputs = network(inputs)
    if not isinstance(outputs, Tensor):
        raise InputError(
            f"network returns {described(outputs)}; a tensor (n, classes) is needed: wrap the network in a "
            "module whose forward returns only the outputs"
        )
    if outputs.ndim != 2 or len(outputs) != len(inputs) or not outputs.is_floating_point():
        raise InputError(
            f"network returns {described(outputs)} for {len(inputs)} samples; floats (n, classes) are needed"
        )
    if outputs.shape[1] < task.num_classes:
        raise InputError(
            f"network returns {outputs.shape[1]} outputs; task {task.name!r} has {task.num_classes} classes: "
            "give the last layer an output for each of them"
        )


def layers_to_prune(
    network: nn.Module, task: Task, prune_output: bool, layers: Sequence[str] | None
) -> list[str] | None:
    """Return the linear layers that are pruned: those named, or all that are called but the output layer.

    None stands for the layers that `dense_masks` takes where the order of definition is that of computation.

    Raises
    ------
    InputError
        If the output layer is needed, and several layers or none that can be found give the outputs.
    """
    if layers is not None or is_chain(network):
        return None if layers is None else list(layers)
    inputs, called = _trial_inputs(network, task), layers_called(network, task)
    if len(called) > 1 and not prune_output:
        outputs = output_layers(network, inputs)
        if outputs is None or len(outputs) > 1:
            found = " and ".join(map(repr, outputs)) if outputs else "no layer that can be found"
            raise InputError(
                f"layers: the outputs of the network come from {found}, so that the output layer is not "
                f"known; name the layers to prune, among {', '.join(called)}"
            )
        called = [name for name in called if name not in outputs]
    for name, module in network.named_modules():
        if isinstance(module, nn.MultiheadAttention) and f"{name}.out_proj" in called:
            others = (
                f"name the layers to prune, '{name}.in_proj' among them"
                if f"{name}.in_proj" in linear_maps(network)
                else "as they have different sizes, they cannot be"
            )
            warnings.warn(
                f"layer '{name}.out_proj' is pruned, but the projections of queries, keys and values in "
                f"{name!r} are not: {others}",
                UserWarning,
                stacklevel=4,
            )
    return called


def layers_called(network: nn.Module, task: Task) -> list[str]:
    """Return the linear layers that a network uses on a task, with a warning about the others."""
    called = called_layers(network, _trial_inputs(network, task))
    for name in linear_layers(network).keys() - called:
        warnings.warn(
            f"layer {name!r} is left out, because the network never calls it; name the layers to use",
            UserWarning,
            stacklevel=4,
        )
    return called


def check_layer_inputs(network: nn.Module, task: Task, layers: Sequence[str], criterion: str) -> None:
    """Refuse layers whose inputs a criterion would ask for in vain, after hours of training.

    Raises
    ------
    InputError
        If a layer is not called once per batch, or is no one linear map of what it receives.
    """
    try:
        layer_inputs(network, layers, _trial_inputs(network, task))
    except InputError as error:
        raise InputError(f"pruning.criterion {criterion!r} reads what layers receive: {error}") from None


def check_keeps_classes(network: nn.Module, task: Task, layers: Sequence[str]) -> None:
    """Refuse to remove whole units of a layer that gives the outputs: they are classes.

    Raises
    ------
    InputError
        The message names the layer.
    """
    last = list(linear_layers(network))[-1:]
    outputs = last if is_chain(network) else output_layers(network, _trial_inputs(network, task))
    for layer in layers:
        if layer in (outputs or []):
            raise InputError(
                f"pruning.granularity is 'unit', but layer {layer!r} gives the outputs, so that classes "
                "would be removed: prune single weights, leave that layer out, or give the network a hidden "
                "layer"
            )


def check_trains(network: nn.Module) -> None:
    """Refuse a network of which no parameter is trained.

    Raises
    ------
    InputError
        If no parameter requires a gradient.
    """
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise InputError(
            "network: no parameter requires a gradient, so that nothing can be trained; call "
            "network.requires_grad_(True), or set training.steps to 0"
        )


def draws_in_training(network: nn.Module, task: Task) -> bool:
    """Return whether the outputs in training mode depend on random numbers, as with dropout."""
    inputs, outputs = _trial_inputs(network, task), []
    for seed in (0, 1):
        # A copy for each seed: BatchNorm moves its statistics.
        trial = copy.deepcopy(network).train()
        with torch.no_grad(), torch_draws(inputs.device, seed, "trial"):
            outputs.append(trial(inputs))
    return not torch.equal(*outputs)


def _trial_inputs(network: nn.Module, task: Task) -> Tensor:
    inputs, _ = task.samples("test", 0, _NUM_SAMPLES)
    while len(inputs) < _NUM_SAMPLES:
        inputs = torch.cat([inputs, inputs])[:_NUM_SAMPLES]
    return inputs.to(next(network.parameters()).device)


def _attempt(network: nn.Module, inputs: Tensor) -> Exception | None:
    """Return the error that stops the network on these inputs, or None if it takes them."""
    try:
        with torch.no_grad(), evaluating(network), torch_draws(inputs.device, 0, "trial"):
            outputs = network(inputs)
    except Exception as error:  # a user's module may raise anything
        return error
    # A convolution may take a batch for a single sample; the number of outputs then tells.
    if isinstance(outputs, Tensor) and (not outputs.ndim or len(outputs) != len(inputs)):
        return ValueError(f"{len(inputs)} samples give outputs of shape {tuple(outputs.shape)}")
    return None


def _misfit(
    network: nn.Module, inputs: Tensor, task: Task, on_flat: Exception, on_pictures: Exception
) -> str:
    """Return the message for a network that takes inputs in no shape."""
    for name, parameter in network.named_parameters():
        if parameter.is_floating_point() and parameter.dtype != inputs.dtype:
            return (
                f"network: {name} is {described(parameter).split()[0]}, the inputs of the task are "
                f"{described(inputs).split()[0]}; call network.float()"
            )
    shaped = inputs.reshape(len(inputs), *task.geometry.shape)
    for each in (inputs, shaped):
        failed = _failed_layer(network, each)
        # On pictures the first layer of a plain network sees rows of pixels: what it says there is no help.
        if failed is not None:
            name, needed, received = failed
            return (
                f"network: layer {name!r} takes {needed} inputs and receives {received} from a task of "
                f"{task.geometry.num_inputs} inputs {task.geometry.shape}; give it in_features={received}, "
                "or give the task another geometry"
            )
    error = on_pictures if len(task.geometry.shape) > 2 and _starts_with_convolution(network) else on_flat
    reason = (str(error).splitlines() or [""])[0]
    return (
        f"network takes neither inputs (n, {task.geometry.num_inputs}) nor "
        f"(n, {', '.join(map(str, task.geometry.shape))}): {type(error).__name__}: {reason:.200}"
    )


def _failed_layer(network: nn.Module, inputs: Tensor) -> tuple[str, int, int] | None:
    """Return name, in_features and width received of the linear layer at which the network stops."""
    misfits: list[tuple[str, int, int]] = []

    def look(name: str, module: nn.Linear, arguments: tuple[Any, ...]) -> None:
        if arguments and isinstance(arguments[0], Tensor) and arguments[0].shape[-1] != module.in_features:
            misfits.append((name, module.in_features, arguments[0].shape[-1]))

    handles = [
        layer.register_forward_pre_hook(lambda module, given, name=name: look(name, module, given))
        for name, layer in linear_layers(network).items()
    ]
    try:
        _attempt(network, inputs)
    finally:
        for handle in handles:
            handle.remove()
    return misfits[0] if misfits else None


def _starts_with_convolution(network: nn.Module) -> bool:
    weighted = (module for module in network.modules() if any(True for _ in module.parameters(recurse=False)))
    first = next(weighted, None)
    weight = getattr(first, "weight", None)
    return isinstance(weight, Tensor) and weight.ndim > 2 and math.prod(weight.shape) > 0
