"""What instruments of positions say about a layer whose inputs have none."""

import warnings

from sparsight.instruments._observation import Observation


def warn_of_missing_geometry(observation: Observation, instrument: str) -> None:
    """Warn that a layer has no value of an instrument, and say which argument gives it a geometry."""
    layer, num_inputs = observation.layer, observation.weight.shape[1]
    warnings.warn(
        f"layer {layer!r} has no {instrument}: the network is not a chain of linear layers, so the positions "
        f"of the layer's {num_inputs} inputs are unknown. If they have positions, give them: "
        f"geometries={{{layer!r}: sparsight.Geometry(channels, size)}}, where channels times the product of "
        f"size is {num_inputs}",
        stacklevel=2,
    )
