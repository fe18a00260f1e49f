"""One ReLU neuron on nonlinear Gaussian processes, without pruning: the ancestors' curve of ipr over gain."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from jaxtyping import Float64

from sparsight.atomic import write_atomically
from sparsight.data import nlgp_sampler, product_covariance
from sparsight.measure import ipr
from sparsight.streams import derived_seed, generator

GAINS = tuple(float(gain) for gain in np.logspace(-2, 2, 10))
"""In the ancestors' convention, erf(g z). In ours, erf(g z/√2), the same gains are √2 times as large."""


@dataclass(frozen=True, kw_only=True)
class NeuronSettings:
    """Settings of one training, repeated for every gain."""

    num_replicates: int
    num_steps: int = 1000
    batch_size: int = 1000  # fresh samples per step, half of them of each class
    length: int = 40  # pixels of a ring
    # ξ of the classes with labels 0 and 1, in pixels: covariance exp(−(d/ξ)²).
    correlation_lengths: tuple[float, float] = (0.3, 0.7)
    learning_rate: float = 0.1
    init_scale: float = math.sqrt(0.001)  # factor on the Xavier initialisation, N(0, 2/(D + 1))
    seed: int = 0
    gains: tuple[float, ...] = GAINS  # in the ancestors' convention

    def digest(self) -> str:
        """Return the SHA-256 of all settings, in hexadecimal."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def replicate_seed(self, replicate: int) -> int:
        """Return the seed of a replicate."""
        return derived_seed(self.seed, "replicate", replicate)


SETTINGS = {
    "smoke": NeuronSettings(num_replicates=2, num_steps=20, batch_size=100),
    "laptop": NeuronSettings(num_replicates=10),
    "paper": NeuronSettings(num_replicates=30, batch_size=10_000),
}


def gain_name(gain: float) -> str:
    """Return the name of the condition with this gain: the gain with three digits."""
    return f"{gain:.3g}"


def train_neuron(gain: float, settings: NeuronSettings, seed: int) -> Float64[np.ndarray, " length"]:
    r"""Return the weights of relu(w·x) after training by gradient descent on the mean squared error.

    .. math:: w \leftarrow w - \eta \, \frac{2}{B} \sum_b (\mathrm{relu}(w x_b) - y_b) 1[w x_b > 0] x_b

    `gain` is in the ancestors' convention.
    """
    samplers = [  # √2 converts the ancestors' gain to ours
        nlgp_sampler(product_covariance((settings.length,), xi, 2, True), math.sqrt(2) * gain)
        for xi in settings.correlation_lengths
    ]
    rng = generator(seed, "one neuron", f"{gain:.6g}")
    half = settings.batch_size // 2
    labels = np.repeat([0.0, 1.0], half)
    weight = settings.init_scale * math.sqrt(2 / (settings.length + 1)) * rng.standard_normal(settings.length)
    for _ in range(settings.num_steps):
        inputs = np.concatenate([sampler(rng, half) for sampler in samplers]).astype(np.float64)
        output = np.maximum(inputs @ weight, 0)
        error = np.where(output > 0, output - labels, 0)
        weight -= settings.learning_rate * 2 * (error @ inputs) / len(labels)
    return weight


def one_neuron_results(scale: str, folder: Path) -> tuple[NeuronSettings, xr.Dataset]:
    """Return the settings, and the ipr of every gain and replicate; train if the folder does not hold it yet.

    The folder holds the numbers in one small file, named by the hash of the settings. ``one_neuron.ipr`` is
    over condition (the gain, see `gain_name`), replicate and level (only one); as in other studies, there are
    ``density`` and ``test_accuracy`` (NaN, because this is a regression).
    """
    settings = SETTINGS[scale]
    path = folder / f"one-neuron-{scale}-{settings.digest()[:8]}.json"
    try:
        values = np.array(json.loads(path.read_text(encoding="utf-8"))["ipr"])
    except FileNotFoundError:
        seeds = [settings.replicate_seed(replicate) for replicate in range(settings.num_replicates)]
        values = np.array(
            [ipr(np.stack([train_neuron(gain, settings, seed) for seed in seeds])) for gain in settings.gains]
        )
        folder.mkdir(parents=True, exist_ok=True)
        content = {"settings": asdict(settings), "ipr": values.tolist()}
        write_atomically(path, json.dumps(content, indent=1).encode())
    dims = ("condition", "replicate", "level")
    shape = (*values.shape, 1)
    results = xr.Dataset(
        {
            "one_neuron.ipr": (dims, values[..., None]),
            "density": (dims, np.ones(shape)),
            "test_accuracy": (dims, np.full(shape, np.nan)),
        },
        coords={
            "condition": [gain_name(gain) for gain in settings.gains],
            "replicate": range(settings.num_replicates),
            "level": [0],
        },
        attrs={"seeds": [settings.replicate_seed(r) for r in range(settings.num_replicates)]},
    )
    return settings, results
