"""Accuracy under projected gradient descent: the attack beside which certified numbers are read."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from sparsight.arguments import checked, described
from sparsight.errors import InputError
from sparsight.measure._activation_lines import Norm, check_ball
from sparsight.measure._chain import Chain, check_classes, check_labels
from sparsight.measure._verified_accuracy import check_samples
from sparsight.streams import generator

Logits = Callable[[Tensor], Tensor]

_TORCH_ACTIVATIONS: dict[str, Logits] = {
    "relu": functional.relu,
    "tanh": torch.tanh,
    "erf": torch.erf,
    "sigmoid": torch.sigmoid,
    "linear": torch.positive,
}
_STEP = 2.5  # all steps together are this many radii, so that an attack can cross the ball


@checked(finite=("inputs",))
def pgd_accuracy(
    network: Chain | nn.Module,
    inputs: Float[np.ndarray, "n in"],
    labels: Int[np.ndarray, " n"],
    *,
    epsilons: Sequence[float],
    norm: Norm = "inf",
    steps: int = 10,
    starts: int = 3,
    seed: int = 0,
    proved: Bool[np.ndarray, "epsilon n"] | None = None,
) -> np.ndarray:
    """Return, for each ε, the share of samples that stay classified correctly under an attack with ‖δ‖ ≤ ε.

    The attack descends the margin, the logit of the class minus the largest other logit: along the sign of
    the gradient for the norm ∞, along the gradient for the norm 2, in steps of 2.5 ε / `steps`, and projects
    onto the ball. The first start is the sample itself; the others are drawn in the ball. A sample is
    classified correctly if its margin is above 0 at every point that the attack visits. What breaks a sample
    within a smaller ε of the list counts within a larger one too, so the result never rises with ε.

    Parameters
    ----------
    network : Chain or torch.nn.Module
        A module is in evaluation mode, takes (n, num_inputs) and returns logits (n, classes).
    inputs : numpy.ndarray, (n, num_inputs)
        Samples.
    labels : numpy.ndarray of int, (n,)
        Their classes.
    epsilons : sequence of float
        Radii, in units of the inputs. At ε = 0 the result is the accuracy.
    norm : {"inf", "2"}
        Norm of δ.
    steps, starts : int
        Steps of each descent, and descents of each sample; at least 1.
    seed : int
        The starts are drawn from the stream ``(seed, "attack", number of the start)``.
    proved : numpy.ndarray of bool, (epsilon, n), optional
        Samples known to stay classified correctly, by radius, as a positive `certified_margin` says. They are
        not attacked, which saves time and changes nothing.

    Returns
    -------
    numpy.ndarray of float64, (epsilon,)
        An upper bound of the accuracy in the worst case; a stronger attack may find less.

    Raises
    ------
    InputError
        If an argument does not fit, a module is in training mode, or there are no samples.

    Notes
    -----
    After Madry, Makelov, Schmidt, Tsipras & Vladu, arXiv 1706.06083.
    """
    check_samples(inputs)
    for name, number in (("steps", steps), ("starts", starts)):
        if number < 1:
            raise InputError(f"{name} is {number}; at least 1 is needed")
    radii = np.array([check_ball(np.asarray(each), len(inputs), norm)[0] for each in epsilons])
    if proved is not None and proved.shape != (len(radii), len(inputs)):
        raise InputError(
            f"proved has shape {proved.shape}; {(len(radii), len(inputs))} is needed: a row for each radius"
        )
    logits, example = _logits_of(network, inputs, labels)
    classes = torch.as_tensor(labels, dtype=torch.int64, device=example.device)
    starting = [_directions(inputs, norm, number, seed) for number in range(starts)]
    stays = _stays(logits, example, classes)
    shares = np.empty(len(radii))
    for place in np.argsort(radii, kind="stable"):
        attacked = stays if proved is None else stays & ~proved[place]
        rows = np.flatnonzero(attacked)
        for directions in starting if radii[place] > 0 else ():  # a ball of radius 0 is the sample
            x, y = example[rows], classes[rows]
            start = torch.as_tensor(directions[rows], dtype=x.dtype, device=x.device)
            rows = rows[_survives(logits, x, y, start, float(radii[place]), norm, steps)]
        stays = stays & ~attacked
        stays[rows] = True
        shares[place] = stays.mean()
    return shares


def _logits_of(network: Chain | nn.Module, inputs: np.ndarray, labels: np.ndarray) -> tuple[Logits, Tensor]:
    """Return the network as a function, and the inputs as it takes them."""
    if isinstance(network, Chain):
        check_labels(network, inputs, labels)
        return _forward(network), torch.as_tensor(inputs, dtype=torch.float64)
    if not isinstance(network, nn.Module):
        raise InputError(f"network is {described(network)}; a sparsight.Chain or a torch.nn.Module is needed")
    if any(module.training for module in network.modules()):
        raise InputError("network is in training mode; call network.eval() first")
    if len(labels) != len(inputs):
        raise InputError(f"labels are {len(labels)}, inputs {len(inputs)}; one label for each is needed")
    example = torch.as_tensor(inputs).to(next(network.parameters(), torch.zeros(())))
    with torch.no_grad():
        check_classes(network(example[:1]).shape[1], labels)
    return network, example


def _forward(chain: Chain) -> Logits:
    pairs = zip(chain.weights, chain.biases, strict=True)
    layers = [(torch.from_numpy(weight), torch.from_numpy(bias)) for weight, bias in pairs]

    def logits(values: Tensor) -> Tensor:
        for (weight, bias), activation in zip(layers, (*chain.activations, "linear"), strict=True):
            values = _TORCH_ACTIVATIONS[activation](values @ weight.T + bias)
        return values

    return logits


def _directions(inputs: np.ndarray, norm: Norm, number: int, seed: int) -> np.ndarray:
    """Return a point of the unit ball for each sample; the first start is its centre."""
    if number == 0:
        return np.zeros(inputs.shape)
    stream = generator(seed, "attack", number)
    if norm == "inf":
        return stream.uniform(-1.0, 1.0, inputs.shape)
    drawn = stream.normal(size=inputs.shape)
    radii = stream.random((len(inputs), 1)) ** (1 / inputs.shape[1])
    return np.asarray(drawn * radii / np.linalg.norm(drawn, axis=1, keepdims=True))


def _survives(
    logits: Logits, x: Tensor, labels: Tensor, start: Tensor, epsilon: float, norm: Norm, steps: int
) -> np.ndarray:
    """Return which samples keep their class at every point that a descent visits."""
    delta, rows = epsilon * start, np.arange(len(x))
    stays = np.zeros(len(x), dtype=bool)
    for _ in range(steps):
        if not len(rows):
            return stays
        slope, keeps = _slope(logits, x + delta, labels)
        if not keeps.all():  # what is broken is decided, and costs no further step
            rows, x, labels = rows[keeps.cpu().numpy()], x[keeps], labels[keeps]
            slope, delta = slope[keeps], delta[keeps]
        delta = _inside(delta - _STEP * epsilon / steps * _unit(slope, norm), epsilon, norm)
    stays[rows] = _stays(logits, x + delta, labels)
    return stays


def _slope(logits: Logits, at: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradient of each sample's margin, and whether the margin is above 0."""
    at.requires_grad_()
    with torch.enable_grad():
        margins = _margins(logits(at), labels)
    (slope,) = torch.autograd.grad(margins.sum(), at)
    return slope, margins.detach() > 0


@torch.no_grad()
def _stays(logits: Logits, x: Tensor, labels: Tensor) -> np.ndarray:
    found: np.ndarray = (_margins(logits(x), labels) > 0).cpu().numpy()
    return found


def _margins(logits: Tensor, labels: Tensor) -> Tensor:
    of_label = logits.gather(1, labels[:, None])[:, 0]
    return of_label - logits.scatter(1, labels[:, None], -torch.inf).amax(dim=1)


def _unit(slope: Tensor, norm: Norm) -> Tensor:
    if norm == "inf":
        return slope.sign()
    unit: Tensor = slope / slope.norm(dim=1, keepdim=True).clamp_min(torch.finfo(slope.dtype).tiny)
    return unit


def _inside(delta: Tensor, epsilon: float, norm: Norm) -> Tensor:
    if norm == "inf":
        return delta.clamp(-epsilon, epsilon)
    length = delta.norm(dim=1, keepdim=True).clamp_min(torch.finfo(delta.dtype).tiny)
    shortened: Tensor = delta * (epsilon / length).clamp_max(1.0)
    return shortened
