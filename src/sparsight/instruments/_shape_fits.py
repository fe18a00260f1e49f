"""The instrument ``shape_fits``: how well a Gaussian or a Gabor function describes receptive fields."""

from collections.abc import Mapping

import numpy as np

from sparsight.instruments._missing_geometry import warn_of_missing_geometry
from sparsight.instruments._observation import Observation
from sparsight.instruments._quantity import Quantity
from sparsight.instruments._registry import instrument
from sparsight.measure import fit_gabor, fit_gaussian, mean_of_defined, shuffled_over_kept
from sparsight.streams import derived_seed

_FITTED_SHARE = 0.125
"""Share of the units that are fitted: every unit needs two optimisations, and two more for the control."""


@instrument("shape_fits", uses_twin=False)
def measure_shape_fits(observation: Observation) -> Mapping[str, Quantity]:
    """Return r² of Gaussian and Gabor fits to an eighth of the first layer's units, and to a control.

    The control fits the same weights, shuffled over the same kept inputs. Deeper layers have no weights in
    the geometry of the input; for them nothing is returned. Without a geometry nothing
    is returned either, and a warning says how to give one.
    """
    geometry = observation.geometry
    if geometry is None:
        warn_of_missing_geometry(observation, "shape_fits")
        return {}
    if observation.depth > 0:
        return {}
    # Without the level in the name: the same units are fitted at every level, so that levels can be compared.
    seed = derived_seed(observation.seed, "shape fits", observation.layer)
    weight = observation.weight.astype(np.float64)
    quantities: dict[str, Quantity] = {}
    for shape, fit in (("gaussian", fit_gaussian), ("gabor", fit_gabor)):
        r_squared = {}
        for suffix, values in (("", weight), ("_shuffled", shuffled_over_kept(weight, seed))):
            found = fit(values, geometry, share=_FITTED_SHARE, seed=seed)
            r_squared[suffix] = found.r_squared
            whose = "weights shuffled over the unit's kept inputs" if suffix else "weights"
            per_unit = np.full(len(weight), np.nan)
            per_unit[found.units] = found.r_squared
            mean = f"mean r² of the {shape} fits to {whose}, over an eighth of the units"
            fit_of_unit = f"r² of the {shape} fit to {whose}; NaN: not fitted"
            failed = f"{shape} fits to {whose} that did not converge"
            undefined = f"units with no more kept pixels than the {shape} has parameters"
            quantities |= {
                f"{shape}_r_squared{suffix}": Quantity(mean_of_defined(found.r_squared), (), mean),
                f"{shape}_r_squared_per_unit{suffix}": Quantity(per_unit, ("unit",), fit_of_unit),
                f"{shape}_num_failed{suffix}": Quantity(float(found.num_failed), (), failed),
                f"{shape}_num_undefined{suffix}": Quantity(float(found.num_undefined), (), undefined),
            }
        beyond = (
            f"mean over an eighth of the units of r² of the {shape} fit minus r² of the same fit to the "
            "unit's weights shuffled over its kept inputs (no envelope: 0)"
        )
        difference = mean_of_defined(r_squared[""] - r_squared["_shuffled"])
        quantities[f"{shape}_r_squared_beyond_shuffled"] = Quantity(difference, (), beyond)
    return quantities
