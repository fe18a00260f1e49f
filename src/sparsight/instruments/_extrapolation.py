"""The instrument ``extrapolation``: what a level says far from its data, and how far that is."""

from collections.abc import Mapping

import numpy as np
from scipy import stats

from sparsight.instruments._chains import chain_or_warning, rearranged_chain
from sparsight.instruments._observation import NetworkObservation
from sparsight.instruments._quantity import Quantity
from sparsight.instruments._registry import network_instrument
from sparsight.measure import Chain, Far, far_from_data, mean_of_defined, ray_linearity
from sparsight.streams import generator

_NUM_RAYS = 256
_NUM_FITTED = 32  # rays on which 100 points are computed
_NEAREST, _FARTHEST = 1.0, 10.0
_RADIUS = "the data radius is the root mean square length of held-out inputs"
_KINDS = {
    "points": f"rays from the origin through {_NUM_RAYS} held-out samples",
    "random": f"rays from the origin in {_NUM_RAYS} random directions",
}
_CONTROLS = {
    "random_mask": "each unit's weights on random inputs of its layer",
    "permuted_mask": "units and inputs of every layer permuted",
}
_STRAIGHTNESS = (
    f"mean R² of a linear fit of the logits between {_NEAREST:g} and {_FARTHEST:g} data radii, on "
    f"{_NUM_FITTED} of these rays; constant logits are left out (no biases: 1)"
)
_MEANINGS = {
    "last_kink": "median distance of the last kink in data radii: beyond it, logits grow along a line (no "
    "biases: 0)",
    "margin_slope": "mean growth of the log-odds of the first class over the second, per data radius, "
    "far away",
    "class_entropy": "entropy of the class that is far away over rays, over log of the number of classes "
    "(0: one class owns infinity; 1: all equally); ignored rays are left out",
    "largest_class": "largest share of rays that one class has far away; ignored rays are left out",
    "ignored_share": "share of rays along which no logit grows: all paths are cut or off",
}


@network_instrument("extrapolation")
def measure_extrapolation(observation: NetworkObservation) -> Mapping[str, Quantity]:
    """Return slopes, kinks and classes of a level at the far end of rays; see `sparsight.far_from_data`.

    Networks whose activations saturate have slopes of 0, and the rest is NaN.

    Source: Xu, Zhang, Li, Du, Kawarabayashi & Jegelka, arXiv 2009.11848, the part on feed-forward networks.
    """
    chain = chain_or_warning(observation, "extrapolation")
    if chain is None:
        return {}
    inputs = observation.held_out_samples()[0].numpy().astype(np.float64)
    radius = float(np.sqrt(np.square(inputs).sum(axis=1).mean()))
    stream = generator(observation.seed, "rays")
    directions = {
        "points": inputs[inputs.any(axis=1)][:_NUM_RAYS],
        "random": stream.normal(size=(_NUM_RAYS, chain.num_inputs)),
    }
    found = {"data_radius": Quantity(radius, (), "root mean square length of held-out inputs")}
    for kind, drawn in directions.items():
        unit = radius * drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
        far = far_from_data(chain, unit)
        straight = np.nan
        if not np.isnan(far.last_kink).all():
            rays = ray_linearity(chain, unit[:_NUM_FITTED], nearest=_NEAREST, farthest=_FARTHEST)
            straight = mean_of_defined(rays.reshape(-1))
        found[f"straightness_{kind}"] = Quantity(straight, (), f"{_STRAIGHTNESS}; {_KINDS[kind]}; {_RADIUS}")
        found |= _quantities(far, kind, "")
        for control, other in _controls(chain, observation.seed).items():
            found |= _quantities(far_from_data(other, unit), kind, control)
    return found


def _controls(chain: Chain, seed: int) -> dict[str, Chain]:
    return {
        "random_mask": rearranged_chain(chain, "unit", seed),
        "permuted_mask": rearranged_chain(chain, "rows_columns", seed),
    }


def _quantities(far: Far, kind: str, control: str) -> dict[str, Quantity]:
    values = dict.fromkeys(_MEANINGS, np.nan)
    values["margin_slope"] = mean_of_defined(far.margins)
    if len(far.slopes) and not np.isnan(far.last_kink).all():
        counts = np.bincount(far.classes[far.classes >= 0], minlength=far.slopes.shape[1])
        values |= {
            "last_kink": float(np.median(far.last_kink)),
            "ignored_share": float(far.is_ignored.mean()),
        }
        if counts.any():
            values["class_entropy"] = float(stats.entropy(counts) / np.log(len(counts)))
            values["largest_class"] = float(counts.max() / counts.sum())
    ending = f"{kind}_{control}" if control else kind
    words = f"; {_KINDS[kind]}" + (f"; {_CONTROLS[control]}" if control else "")
    return {f"{name}_{ending}": Quantity(values[name], (), _MEANINGS[name] + words) for name in _MEANINGS}
