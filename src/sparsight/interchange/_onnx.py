"""Pruned networks as ONNX models, with the standardisation of their inputs in the graph."""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sparsight.atomic import write_atomically
from sparsight.errors import InputError
from sparsight.interchange._input_scale import InputScale
from sparsight.interchange._pruned_state import PrunedState
from sparsight.interchange._unreadable_states import facts_of
from sparsight.network import FullyConnected, NetworkSettings
from sparsight.regular_files import read_regular

ONNX = ".onnx"
_FACTS = "sparsight"


def write_onnx(
    path: str | Path,
    settings: NetworkSettings,
    pruned: PrunedState,
    inputs: InputScale,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write a pruned `FullyConnected` as an ONNX model.

    The model has the input ``inputs``, float32, (n, channels, height, width) or (n, channels, length): raw
    values if their standardisation is known, and otherwise the values that the network was trained on. Its
    output ``outputs``, (n, classes), are the logits. Weights are dense, with zeros where they were pruned:
    ONNX runtimes have no sparse products.

    Parameters
    ----------
    path : str or Path
        Ends in ``.onnx``.
    settings : NetworkSettings
        The settings of the network that `pruned` belongs to.
    inputs : InputScale
        Becomes the first operation of the model.
    facts : mapping, optional
        Plain values for the model's metadata.

    Raises
    ------
    InputError
        If the packages of the extra ``onnx`` are missing, the name ends otherwise, or the file cannot be
        written.
    """
    path = Path(path)
    _check_packages()
    if path.suffix != ONNX:
        raise InputError(f"{path} does not say that it is an ONNX model: end its name in {ONNX}")
    num_classes = pruned.state[f"linear_{len(settings.widths)}.weight"].shape[0]
    network = FullyConnected(pruned.state["linear_0.weight"].shape[1], num_classes, settings)
    network.load_state_dict(pruned.state)
    model = _OnRawInputs(network.eval(), inputs)
    with _quiet_exporter():
        program = torch.onnx.export(
            model,
            (torch.zeros(2, *inputs.shape),),
            input_names=["inputs"],
            output_names=["outputs"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    proto.metadata_props.add(key=_FACTS, value=json.dumps(facts or {}))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, proto.SerializeToString())
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}; choose another --out") from None


def read_onnx_facts(path: str | Path) -> dict[str, Any]:
    """Read the facts that `write_onnx` recorded; empty if there are none, or the file is no ONNX model."""
    _check_packages()
    import onnx

    try:
        model = onnx.load_model_from_string(read_regular(Path(path)))
    except Exception:  # protobuf's decoder does not document what it raises on other files
        return {}
    return facts_of(next((entry.value for entry in model.metadata_props if entry.key == _FACTS), None))


class _OnRawInputs(nn.Module):
    """The network after flattening and standardisation."""

    mean: Tensor
    sd: Tensor

    def __init__(self, network: nn.Module, inputs: InputScale) -> None:
        super().__init__()
        self.network = network
        shape = (-1, *(1 for _ in inputs.shape[1:]))
        for name, values in (("mean", inputs.channel_mean), ("sd", inputs.channel_sd)):
            default = [float(name == "sd")] * inputs.shape[0]
            self.register_buffer(name, torch.tensor(values or default, dtype=torch.float64).reshape(shape))

    def forward(self, inputs: Tensor) -> Tensor:
        # as `InputScale`: values far from 0 lose digits if the mean is subtracted in float32
        standardised = (inputs.double() - self.mean) / self.sd
        outputs: Tensor = self.network(standardised.float().flatten(1))
        return outputs


def _check_packages() -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError:
        raise InputError(
            "ONNX models need the packages onnx and onnxscript: pip install 'sparsight[onnx]'"
        ) from None


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Keep torch's exporter from reporting packages that it does not find and its own old calls."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logger.setLevel(before)
