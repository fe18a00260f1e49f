"""Instruments: everything that a recipe can name in ``measure.instruments``.

An instrument is a function from an observation (one layer of one level, with data) to named quantities.
The arithmetic is in `sparsight.measure`; an instrument chooses what to compute, and describes it.

The frame
  _observation: from a level to the observations of its layers.
  _registry: instruments by name, and what a quantity is.
  _network: instruments applied to a level of a run, or to any network.

The instruments
  _locality: whether the inputs that a unit keeps are close together; with _field_quantities.
  _shape_fits: how well Gaussians and Gabor functions describe receptive fields.
  _gaussianity: how far pre-activations are from Gaussian.
  _cavity: the effect of removing each weight, kept against pruned.
  _cavity_within_class: the same, free of the mixture of classes; with _cavity_controls.
  _initialisation: how much of a mask the weights decide that training began with.
  _mask_graph: the mask as a graph, beside random masks of the same degrees.
  _sharpness: curvature of the loss in the kept weights; computed in _kept_loss.
"""

from sparsight.instruments._network import measure_level as measure_level, measure_network as measure_network
from sparsight.instruments._observation import (
    NetworkObservation as NetworkObservation,
    Observation as Observation,
    observe as observe,
)
from sparsight.instruments._registry import (
    INSTRUMENTS as INSTRUMENTS,
    NETWORK as NETWORK,
    Quantity as Quantity,
    instrument as instrument,
    measures_network as measures_network,
    needs_twin as needs_twin,
)
from sparsight.instruments._sharpness import Sharpness as Sharpness, sharpness as sharpness
from sparsight.registry import import_modules_of

import_modules_of(__name__, __path__)
