"""The instrument ``sharpness``: curvature of the loss around the trained weights, in the kept weights."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from sparsight.errors import InputError
from sparsight.instruments._kept_loss import KeptLoss
from sparsight.instruments._observation import NetworkObservation
from sparsight.instruments._quantity import Quantity
from sparsight.instruments._registry import network_instrument
from sparsight.measure import hutchinson_trace, largest_eigenvalue
from sparsight.streams import generator
from sparsight.train import Loss

RELATIVE_NORM = 0.1
"""Norm of a perturbation over that of the weights that it perturbs, in recipes."""
_MEANINGS = {
    "largest_eigenvalue": "largest eigenvalue of the Hessian of the training loss in the kept parameters",
    "trace": "trace of that Hessian, by Hutchinson's estimator",
    "trace_error": "standard error of the trace over its random vectors",
    "trace_per_parameter": "trace over the number of kept parameters: the mean eigenvalue",
    "loss": "training loss on the samples that the Hessian is of",
    "loss_rise": f"mean rise of that loss when the kept entries of each parameter move in a random direction "
    f"by {RELATIVE_NORM} of its norm (no effect: 0)",
    "loss_rise_error": "standard error of the rise over the random directions",
    "num_parameters": "kept parameters: the dimension of the Hessian",
}


@dataclass(frozen=True, kw_only=True)
class Sharpness:
    """Curvature of a loss L(w) in the kept parameters w.

    Attributes
    ----------
    largest_eigenvalue : float
        Largest eigenvalue of the Hessian H = ∂²L/∂w². NaN if Lanczos does not converge.
    trace, trace_error : float
        Tr H, and the standard error of the estimate.
    trace_per_parameter : float
        Tr H over the number of kept parameters.
    loss : float
        L at the weights as they are.
    loss_rise, loss_rise_error : float
        E[L(w + δ) − L(w)] over random directions, each parameter's δ scaled to a fixed share of its norm, and
        the standard error of the mean.
    num_parameters : int
        Dimension of H.
    """

    largest_eigenvalue: float
    trace: float
    trace_error: float
    trace_per_parameter: float
    loss: float
    loss_rise: float
    loss_rise_error: float
    num_parameters: int


def sharpness(
    network: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    masks: Mapping[str, Tensor] | None = None,
    *,
    loss: Loss = "cross_entropy",
    relative_norm: float = RELATIVE_NORM,
    num_probes: int = 30,
    num_perturbations: int = 20,
    seed: int = 0,
) -> Sharpness:
    """Measure the curvature of a network's loss in the parameters that pruning has left.

    Parameters
    ----------
    network : torch.nn.Module
        Any module. It is left unchanged, and evaluated in evaluation mode.
    inputs, labels : Tensor
        Samples as the network receives them, (n, …), and their classes, int64 (n,). All are in memory at
        once, with the activations of the network.
    masks : mapping of str to Tensor of bool, optional
        Kept entries by parameter name. Default: all. Parameters that require no gradient are constants.
    loss : {"cross_entropy", "mse"}
        As in the training settings.
    relative_norm : float
        Norm of a perturbation over that of each parameter, at least 0.
    num_probes, num_perturbations : int
        Random vectors for the trace, and random directions for the rise; at least 1.
    seed : int
        Seeds both, and the first vector of Lanczos.

    Raises
    ------
    InputError
        If masks or samples do not fit, nothing is kept, or a number is out of range.

    Notes
    -----
    Eigenvalues of a network with ReLU change when one layer is scaled up and the next one down, although its
    function does not (Dinh, Pascanu, Bengio & Bengio, ICML 2017); the rise under a perturbation of equal
    relative norm does not. Compare networks by the rise, and eigenvalues within one training. For a quadratic
    loss the rise is ½ Σ_p (relative_norm ‖w_p‖)² Tr(H_p) / k_p over the parameters p, with H_p the block and
    k_p the kept entries of p. Lanczos: scipy's ``eigsh``; trace: `sparsight.measure.hutchinson_trace`.
    """
    if not (np.isfinite(relative_norm) and relative_norm >= 0):
        raise InputError(f"relative_norm is {relative_norm}; a finite number of at least 0 is needed")
    if num_perturbations < 1:
        raise InputError(f"num_perturbations is {num_perturbations}; 1 or more is needed")
    kept = KeptLoss(network, masks or {}, inputs, labels, loss)
    trace = hutchinson_trace(kept.hessian_product, kept.size, num_probes=num_probes, seed=seed)
    here = kept.value()
    stream = generator(seed, "perturbations")
    rises = np.array(
        [kept.value(kept.random_displacement(relative_norm, stream)) - here for _ in range(num_perturbations)]
    )
    error = rises.std(ddof=1) / np.sqrt(len(rises)) if len(rises) > 1 else np.nan
    return Sharpness(
        largest_eigenvalue=largest_eigenvalue(kept.hessian_product, kept.size, seed=seed),
        trace=trace.trace,
        trace_error=trace.standard_error,
        trace_per_parameter=trace.trace / kept.size,
        loss=here,
        loss_rise=float(rises.mean()),
        loss_rise_error=float(error),
        num_parameters=kept.size,
    )


@network_instrument("sharpness")
def measure_sharpness(observation: NetworkObservation) -> Mapping[str, Quantity]:
    """Return the `Sharpness` of a level, on training samples; see `sharpness`.

    It grows or falls with the loss itself and with density, so it is compared with random pruning at the same
    density, and with the dense network.
    """
    inputs, labels = observation.training_samples()
    found = sharpness(
        observation.network,
        inputs,
        labels,
        observation.masks,
        loss=observation.loss,
        seed=observation.seed,
    )
    return {name: Quantity(float(getattr(found, name)), (), words) for name, words in _MEANINGS.items()}
