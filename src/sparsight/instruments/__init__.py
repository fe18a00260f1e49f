"""Instruments: everything that a recipe can name in ``measure.instruments``.

An instrument is a function from an observation (one layer of one level, or the whole network, with data) to
named quantities.
The arithmetic is in `sparsight.measure`; an instrument chooses what to compute, and describes it.

The frame
  _observation: from a level to the observations of its layers; that of the whole network.
  _registry: instruments by name, and what a quantity is.
  _module_names: which names can be sparsight's own, told without importing them.
  _missing_geometry: what is said of layers whose inputs have no positions.
  _network: instruments applied to a level of a run, or to any network.
  _whole_network: instruments that see a network as a whole, with its task and settings.

The instruments
  _locality: whether the inputs that a unit keeps are close together; with _field_quantities.
  _shape_fits: how well Gaussians and Gabor functions describe receptive fields.
  _gaussianity: how far pre-activations are from Gaussian.
  _cavity: the effect of removing each weight, kept against pruned.
  _cavity_within_class: the same, free of the mixture of classes; with _cavity_controls.
  _initialisation: how much of a mask the weights decide that training began with.
  _mask_graph: the mask as a graph, beside random masks of the same degrees.
  _criticality: distance to the edge of chaos, and kurtosis over redraws of weights under the masks.
  _sharpness: curvature of the loss in the kept weights; computed in _kept_loss.
  _calibration: whether confidences are the shares in which the network is right.
  _extrapolation: what a network says far from its data.
  _noise: whether closed-form moments of noise hold, and what noise costs.
  _ood: whether a network still tells its data from their twin.
  _readout: what linear readouts find behind a mask; its chains, and those of others, in _chains.
  _robustness: certified bounds and accuracy under attack; beside _rearranged_networks.
  _stability: what lies on the line between two copies that were trained with other batches.
  _tangent: the neural tangent kernel before and after training.

The names are listed in ``__init__.pyi`` and imported when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
