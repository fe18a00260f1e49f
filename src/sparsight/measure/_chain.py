"""A chain of affine layers with activations between them, as arrays."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special

from sparsight.arguments import checked, described
from sparsight.errors import InputError


def _relu(values: np.ndarray) -> np.ndarray:
    rectified: np.ndarray = np.maximum(values, 0.0)
    return rectified


ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": _relu,
    "tanh": np.tanh,
    "erf": special.erf,
    "sigmoid": special.expit,
    "linear": np.positive,
}
"""Activations by name; none of them ever decreases."""


def _step(values: np.ndarray) -> np.ndarray:
    found: np.ndarray = (values > 0).astype(np.float64)
    return found


DERIVATIVES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": _step,
    "tanh": lambda values: 1 - np.tanh(values) ** 2,
    "erf": lambda values: 2 / np.sqrt(np.pi) * np.exp(-(values**2)),
    "sigmoid": lambda values: special.expit(values) * special.expit(-values),
    "linear": np.ones_like,
}
"""Derivatives of `ACTIVATIONS`; that of ReLU is 0 at 0, as in torch."""


@dataclass(frozen=True, eq=False)
class Chain:
    """A fully connected network as arrays: affine layers, and an activation after each but the last.

    Attributes
    ----------
    weights : sequence of numpy.ndarray, (out, in)
        One for each layer, from the input to the logits; pruned weights are 0. Kept as float64.
    biases : sequence of numpy.ndarray, (out,)
        One for each layer. Kept as float64.
    activations : str or sequence of str
        ``relu``, ``tanh``, ``erf``, ``sigmoid`` or ``linear`` for every layer but the last; a single name
        stands for all of them.

    Raises
    ------
    InputError
        If shapes do not fit together, a number is NaN or infinite, or an activation is unknown.

    Notes
    -----
    `sparsight.chain_of` makes one of a torch network, with BatchNorm folded into the weights.
    """

    weights: Sequence[np.ndarray]
    biases: Sequence[np.ndarray]
    activations: str | Sequence[str] = "relu"

    def __post_init__(self) -> None:
        num_layers = len(self.weights)
        if not num_layers or len(self.biases) != num_layers:
            raise InputError(
                f"weights hold {num_layers} layers and biases {len(self.biases)}; as many of both, at least "
                "one, are needed"
            )
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            _check_layer(layer, weight, bias, None if layer == 0 else self.weights[layer - 1])
        names = self.activations
        names = (names,) * (num_layers - 1) if isinstance(names, str) else tuple(names)
        if len(names) != num_layers - 1:
            raise InputError(
                f"activations are {len(names)}; {num_layers - 1} are needed, for all layers but the last"
            )
        for name in names:
            if name not in ACTIVATIONS:
                raise InputError(f"activations hold {name!r}; allowed are {', '.join(ACTIVATIONS)}")
        for field, values in (
            ("weights", tuple(np.asarray(each, dtype=np.float64) for each in self.weights)),
            ("biases", tuple(np.asarray(each, dtype=np.float64) for each in self.biases)),
            ("activations", names),
        ):
            object.__setattr__(self, field, values)

    @property
    def num_inputs(self) -> int:
        """Inputs of the first layer."""
        return int(self.weights[0].shape[1])

    @property
    def num_outputs(self) -> int:
        """Units of the last layer: the logits."""
        return int(self.weights[-1].shape[0])

    @checked(finite=("inputs",))
    def logits(self, inputs: Float[np.ndarray, "n in"]) -> Float[np.ndarray, "n out"]:
        """Return the outputs of the last layer in float64, (n, classes).

        Parameters
        ----------
        inputs : numpy.ndarray, (n, num_inputs)
            Samples.

        Raises
        ------
        InputError
            If `inputs` have another width, or hold NaN or infinite values.
        """
        return self.responses(inputs)[-1]

    @checked(finite=("inputs",))
    def responses(
        self, inputs: Float[np.ndarray, "n in"], *, dtype: type[np.float32 | np.float64] = np.float64
    ) -> list[np.ndarray]:
        """Return what every layer passes on, (n, units): hidden layers in order, then the logits.

        `inputs` and errors are as for `logits`.

        Parameters
        ----------
        dtype : type
            ``numpy.float64``, or ``numpy.float32`` where rounding does not matter: it takes half the time.
        """
        check_inputs(self, inputs)
        if dtype not in (np.float32, np.float64):
            raise InputError(f"dtype is {dtype!r}; numpy.float32 or numpy.float64 is needed")
        found, values = [], inputs.astype(dtype, copy=False)
        for weight, bias, activation in zip(
            self.weights, self.biases, (*self.activations, "linear"), strict=True
        ):
            values = values @ weight.T.astype(dtype, copy=False)
            values += bias.astype(dtype, copy=False)
            values = ACTIVATIONS[activation](values)
            found.append(values)
        return found


def layer_states(chain: Chain, inputs: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return what each layer receives and its pre-activations, float64 (n, in) and (n, out); not checked."""
    received, preactivations = [inputs.astype(np.float64)], []
    for layer, (weight, bias) in enumerate(zip(chain.weights, chain.biases, strict=True)):
        preactivations.append(received[-1] @ weight.T + bias)
        if layer < len(chain.activations):
            received.append(ACTIVATIONS[chain.activations[layer]](preactivations[-1]))
    return received, preactivations


def check_inputs(chain: Chain, inputs: np.ndarray) -> None:
    """Raise an `InputError` unless the chain takes inputs of this width."""
    if not isinstance(chain, Chain):
        raise InputError(f"chain is {described(chain)}; a sparsight.Chain is needed (see sparsight.chain_of)")
    if inputs.shape[1] != chain.num_inputs:
        raise InputError(f"inputs have {inputs.shape[1]} columns; the chain reads {chain.num_inputs}")


def check_labels(chain: Chain, inputs: np.ndarray, labels: np.ndarray) -> None:
    """Raise an `InputError` unless there is one class of the chain for each sample."""
    check_inputs(chain, inputs)
    if len(labels) != len(inputs):
        raise InputError(f"labels are {len(labels)}, inputs {len(inputs)}; one label for each is needed")
    check_classes(chain.num_outputs, labels)


def check_classes(num_outputs: int, labels: np.ndarray) -> None:
    """Raise an `InputError` unless a network with so many outputs has every class."""
    if num_outputs < 2:
        raise InputError(f"the network has {num_outputs} output; classes need at least 2")
    if len(labels) and not 0 <= labels.min() <= labels.max() < num_outputs:
        raise InputError(
            f"labels run from {labels.min()} to {labels.max()}; 0 to {num_outputs - 1} is allowed"
        )


def _check_layer(layer: int, weight: np.ndarray, bias: np.ndarray, before: np.ndarray | None) -> None:
    for name, value, num_axes in (("weights", weight, 2), ("biases", bias, 1)):
        if not isinstance(value, np.ndarray) or value.ndim != num_axes or value.dtype.kind != "f":
            raise InputError(
                f"{name}[{layer}] is {described(value)}; an array of floats with {num_axes} axes is needed"
            )
        if not np.isfinite(value).all():
            raise InputError(f"{name}[{layer}] holds NaN or infinite values; bounds need finite numbers")
    if len(bias) != len(weight):
        raise InputError(f"biases[{layer}] has {len(bias)} entries; weights[{layer}] has {len(weight)} units")
    if before is not None and weight.shape[1] != len(before):
        raise InputError(
            f"weights[{layer}] reads {weight.shape[1]} units; weights[{layer - 1}] has {len(before)}"
        )
