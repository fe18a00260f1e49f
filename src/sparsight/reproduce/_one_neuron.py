"""Neurons on nonlinear Gaussian processes, without pruning: the ancestors' ipr of one, and of a hundred."""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import scipy.linalg
import torch
import xarray as xr
from jaxtyping import Float32
from torch import Tensor

from sparsight.data import product_covariance
from sparsight.measure import ipr
from sparsight.reproduce._simulated import kept_content, simulated_dataset
from sparsight.streams import derived_seed, generator

GAINS = tuple(float(gain) for gain in np.logspace(-2, 2, 10))
"""In the ancestors' convention, erf(g z). In ours, erf(g z/√2), the same gains are √2 times as large."""

LOCALISED = 0.2
"""A unit counts as localised if its ipr is larger."""

_SHARPEST = GAINS[-1]


@dataclass(frozen=True, kw_only=True)
class Neurons:
    """Units with an average as output, f(x) = (1/K) Σ φ(w_k·x + b_k), and the inputs they are trained on.

    Attributes
    ----------
    gain : float or None
        g of erf(g z), with z a Gaussian field. None: single pulses instead, see `Pulses`.
    num_units : int
        K.
    labels : tuple of float
        The labels of the class of shorter and of longer correlations.
    """

    activation: Literal["relu", "tanh", "sigmoid"] = "relu"
    has_bias: bool = False
    num_units: int = 1
    gain: float | None = _SHARPEST
    labels: tuple[float, float] = (0.0, 1.0)


def gain_name(gain: float) -> str:
    """Return the name of the condition with one neuron at this gain: the gain with three digits."""
    return f"{gain:.3g}"


ONE_NEURON: Mapping[str, Neurons] = {gain_name(gain): Neurons(gain=gain) for gain in GAINS}
"""By name; the published sweep."""

NETWORKS: Mapping[str, Neurons] = {
    "relu_bias": Neurons(num_units=100, activation="relu", has_bias=True),
    "tanh": Neurons(num_units=100, activation="tanh", has_bias=True),
    "sigmoid_bias": Neurons(num_units=100, activation="sigmoid", has_bias=True),
    "sigmoid": Neurons(num_units=100, activation="sigmoid"),
    "swapped": Neurons(num_units=100, has_bias=True, labels=(1.0, 0.0)),
    "single_pulses": Neurons(num_units=100, has_bias=True, gain=None),
}
"""By name. Published are shares of localised units; gain, output and rate are our choices.

Without a bias, tanh is odd and could not tell apart classes that are the same for x and −x.
"""


@dataclass(frozen=True, kw_only=True)
class NeuronSettings:
    """Settings of one training, repeated for every condition; by default the published ones of one neuron.

    Source: Lufkin et al., arXiv 2501.17284.
    """

    num_replicates: int
    num_steps: int = 1000
    batch_size: int = 5000  # fresh samples per step, half of them of each class
    length: int = 40  # pixels of a ring
    # ξ of the two classes, in pixels: covariance exp(−(d/ξ)²). Single pulses are ξ · length pixels long.
    correlation_lengths: tuple[float, float] = (0.3, 0.7)
    learning_rate: float = 0.1  # of a unit: K times as much for the mean over K units
    init_scale: float = math.sqrt(0.001)  # factor on the Xavier initialisation, N(0, 2/(D + K))


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """Settings of the study: of one neuron, and of the networks, which have at most as many replicates."""

    neuron: NeuronSettings
    network: NeuronSettings
    seed: int = 1

    def digest(self) -> str:
        """Return the SHA-256 of all settings and conditions, in hexadecimal."""
        conditions = {name: asdict(neurons) for name, neurons in {**ONE_NEURON, **NETWORKS}.items()}
        content = {"settings": asdict(self), "conditions": conditions}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def replicate_seed(self, replicate: int) -> int:
        """Return the seed of a replicate."""
        return derived_seed(self.seed, "replicate", replicate)


# Networks are trained longer: after 1000 steps their loss is still that of the mean label.
SETTINGS = {
    "smoke": StudySettings(
        neuron=NeuronSettings(num_replicates=3, num_steps=20, batch_size=100),
        network=NeuronSettings(num_replicates=2, num_steps=20, batch_size=100),
    ),
    "laptop": StudySettings(
        neuron=NeuronSettings(num_replicates=30),
        network=NeuronSettings(num_replicates=3, num_steps=10_000, batch_size=1000),
    ),
    "paper": StudySettings(
        neuron=NeuronSettings(num_replicates=30),
        network=NeuronSettings(num_replicates=30, num_steps=10_000),
    ),
}

_ACTIVATIONS: dict[str, Callable[[Tensor], tuple[Tensor, Tensor]]] = {
    # λ → φ(λ), φ'(λ)
    "relu": lambda x: ((y := x.clamp_(min=0)), y.sign()),  # comparing takes ten times as long
    "tanh": lambda x: ((y := x.tanh()), 1 - y * y),
    "sigmoid": lambda x: ((y := x.sigmoid()), y * (1 - y)),
}


def gaussian_fields(settings: NeuronSettings, rng: np.random.Generator) -> Iterator[Tensor]:
    """Yield batches of Gaussian ring fields, float32, (batch, D), the class of shorter correlations first."""
    half, length = settings.batch_size // 2, settings.length
    factors = []
    for xi in settings.correlation_lengths:
        (row,) = product_covariance((length,), xi, 2, True).rows
        # The symmetric root of a circulant matrix is the circulant matrix of the root of its spectrum.
        root = np.fft.ifft(np.sqrt(np.maximum(np.fft.fft(row).real, 0))).real
        factors.append(torch.from_numpy(scipy.linalg.circulant(root).astype(np.float32)))
    while True:
        white = torch.from_numpy(rng.standard_normal((2, half, length), np.float32))
        yield torch.cat([white[label] @ factor for label, factor in enumerate(factors)])


def single_pulses(settings: NeuronSettings, rng: np.random.Generator) -> Iterator[Tensor]:
    """Yield batches of one box pulse each: ξ · D pixels, random sign and place, mean square 1."""
    half, length = settings.batch_size // 2, settings.length
    shapes = []
    for xi in settings.correlation_lengths:
        width = max(round(xi * length), 1)
        pulse = np.where(np.arange(length) < width, math.sqrt(length / width), 0.0)
        shapes.append(torch.from_numpy(scipy.linalg.circulant(pulse).T.astype(np.float32)))
    while True:
        places = torch.from_numpy(rng.integers(length, size=(2, half)))
        signs = torch.from_numpy(rng.choice(np.array([-1, 1], np.float32), size=(2, half, 1)))
        yield torch.cat([signs[label] * shape[places[label]] for label, shape in enumerate(shapes)])


def train_neurons(
    conditions: Mapping[str, Neurons], settings: NeuronSettings, seed: int
) -> dict[str, Float32[np.ndarray, "units length"]]:
    r"""Return the weights of every condition after gradient descent on the mean squared error.

    .. math::
        w_k \leftarrow w_k - \eta \, \frac{2}{B} \sum_b (f(x_b) - y_b)\, \varphi'(w_k x_b + b_k)\, x_b

    which is descent with the rate ηK, so that a unit moves as one neuron does, whatever K. Biases, from 0,
    likewise. All conditions see the same Gaussian fields z, and those of one gain the same inputs
    erf(g z)/√γ, of variance 1; they differ in their initial weights.
    """
    units = {name: _Units(neurons, settings, seed, name) for name, neurons in conditions.items()}
    fields = gaussian_fields(settings, generator(seed, "one neuron", "fields"))
    pulses = single_pulses(settings, generator(seed, "one neuron", "pulses"))
    by_gain: dict[float | None, list[_Units]] = {}
    for each in units.values():
        by_gain.setdefault(each.neurons.gain, []).append(each)
    memory = torch.empty(settings.batch_size // 2 * 2, settings.length)
    for _ in range(settings.num_steps):
        gaussian = next(fields) if by_gain.keys() - {None} else torch.empty(0)
        for gain, members in by_gain.items():
            inputs = next(pulses) if gain is None else _saturated(gaussian, gain, memory)
            for each in members:
                each.take_step(inputs)
    return {name: each.weight.numpy() for name, each in units.items()}


def _saturated(gaussian: Tensor, gain: float, memory: Tensor) -> Tensor:
    """Return erf(g z)/√γ, in `memory`, with γ = (2/π) asin(2g²/(1 + 2g²)), its variance."""
    variance = 2 / math.pi * math.asin(2 * gain**2 / (1 + 2 * gain**2))
    return torch.mul(gaussian, gain, out=memory).erf_().mul_(1 / math.sqrt(variance))


class _Units:
    """The units of one condition in training."""

    def __init__(self, neurons: Neurons, settings: NeuronSettings, seed: int, name: str) -> None:
        self.neurons = neurons
        self._rate = settings.learning_rate
        rng = generator(seed, "one neuron", name)
        sd = settings.init_scale * math.sqrt(2 / (settings.length + neurons.num_units))
        weight = sd * rng.standard_normal((neurons.num_units, settings.length))
        self.weight = torch.from_numpy(weight.astype(np.float32))
        self._bias = torch.zeros(neurons.num_units)
        self._activation = _ACTIVATIONS[neurons.activation]
        self._labels = torch.tensor(neurons.labels).repeat_interleave(settings.batch_size // 2)

    def take_step(self, inputs: Tensor) -> None:
        outputs, slopes = self._activation(torch.addmm(self._bias, inputs, self.weight.T))  # (B, K) each
        error = outputs.mean(dim=1).sub_(self._labels)
        slopes.mul_((self._rate * 2 / len(inputs) * error)[:, None])
        self.weight.sub_(slopes.T @ inputs)
        if self.neurons.has_bias:
            self._bias.sub_(slopes.sum(dim=0))


def one_neuron_results(scale: str, folder: Path) -> tuple[StudySettings, xr.Dataset]:
    """Return the settings, and the ipr of every condition and replicate; train if the folder lacks them.

    The folder holds the numbers in one small file, named by the hash of the settings. Over condition (a gain,
    see `gain_name`, or a name of `NETWORKS`), replicate and level (only one) there are ``one_neuron.ipr``,
    the mean over units, and ``one_neuron.localised_share``, the share of units with ipr above `LOCALISED`.
    Networks have fewer replicates, and NaN in the others. As in other studies, there are ``density`` and
    ``test_accuracy`` (NaN, because this is a regression).
    """
    settings = SETTINGS[scale]
    path = folder / f"one-neuron-{scale}-{settings.digest()[:8]}.json"
    content = kept_content(path, lambda: {"settings": asdict(settings), **_simulated(settings)})
    columns = {
        f"one_neuron.{name}": np.array(content[name], np.float64) for name in ("ipr", "localised_share")
    }
    seeds = [settings.replicate_seed(each) for each in range(settings.neuron.num_replicates)]
    return settings, simulated_dataset(columns, [*ONE_NEURON, *NETWORKS], seeds)


def _simulated(settings: StudySettings) -> dict[str, list[list[float | None]]]:
    """Return both quantities by condition and replicate; None where a network has no such replicate."""
    rows: dict[str, list[np.ndarray]] = {name: [] for name in (*ONE_NEURON, *NETWORKS)}
    for conditions, of_training in ((ONE_NEURON, settings.neuron), (NETWORKS, settings.network)):
        for replicate in range(of_training.num_replicates):
            trained = train_neurons(conditions, of_training, settings.replicate_seed(replicate))
            for name, weight in trained.items():
                rows[name].append(ipr(weight))

    def table(summary: Callable[[np.ndarray], float]) -> list[list[float | None]]:
        return [
            _filled([summary(each) for each in found], settings.neuron.num_replicates)
            for found in rows.values()
        ]

    return {
        "ipr": table(lambda found: float(found.mean())),
        "localised_share": table(lambda found: float((found > LOCALISED).mean())),
    }


def _filled(values: Sequence[float], number: int) -> list[float | None]:
    return [*values, *[None] * (number - len(values))]
