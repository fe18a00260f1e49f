"""Write the glossary of quantities into docs/reference/quantities.md: ``python docs/quantities.py``.

Every registered instrument is applied to both layers of a small network, with a twin, or to the whole of it;
what it returns is listed with its axes and its definition. A test compares the page with the registry.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from sparsight.data import Task
from sparsight.figures import QUANTITIES
from sparsight.geometry import Geometry
from sparsight.instruments import (
    NETWORK,
    NetworkObservation,
    Quantity,
    all_instruments,
    measure_level,
    measure_whole_network,
)
from sparsight.network import FullyConnected, NetworkSettings, initialise_
from sparsight.prune import Level, PruningSettings
from sparsight.train import Curve, TrainingSettings

PAGE = Path(__file__).parent / "reference" / "quantities.md"
BEGIN, END = "<!-- quantities.py: begin -->\n", "<!-- quantities.py: end -->\n"
GEOMETRY, CLASSES, SAMPLES = Geometry(3, (6, 6)), 3, 90
BUILT_IN = frozenset(
    name for name, each in all_instruments().items() if each.__module__.startswith("sparsight.")
)


def measured() -> dict[str, dict[str, Quantity]]:
    """Return layer → ``<instrument>.<quantity>`` → quantity, of every instrument of this package.

    The two layers come first, and the whole network last.
    """
    stream = np.random.default_rng(0)
    task, twin = (_task(stream) for _ in range(2))
    network = FullyConnected(GEOMETRY.num_inputs, CLASSES, NetworkSettings(widths=(10, 8)))
    initialise_(network, "torch", 0)
    initial = {name: value.clone() for name, value in network.state_dict().items()}
    masks = {name: _half(network, name, 0.5) for name in ("linear_0.weight", "linear_1.weight")}
    next_masks = {name: mask & _half(network, name, 0.7) for name, mask in masks.items()}
    with torch.no_grad():
        for name, mask in masks.items():
            weight = network.get_parameter(name)
            weight.copy_(mask * (weight + 0.01 * torch.from_numpy(stream.normal(size=weight.shape))))
    final = {name: value.clone() for name, value in network.state_dict().items()}
    level = Level(
        index=1,
        masks=masks,
        next_masks=next_masks,
        initial=initial,
        final=final,
        rewind=initial,
        curve=Curve(step=[1], train_loss=[1.0], test_loss=[1.0], test_accuracy=[0.5], learning_rate=[0.1]),
        seed=0,
        network=network.eval(),
        is_last=False,
    )
    whole = NetworkObservation(
        level=level,
        task=task,
        num_samples=SAMPLES,
        loss="cross_entropy",
        twin=twin,
        dense_initial=initial,
        training=TrainingSettings(steps=4, batch_size=30, learning_rate=0.1),
        pruning=PruningSettings(max_levels=2, rewind="init"),
    )
    names = sorted(BUILT_IN)
    return measure_level(level, task, twin, names, num_samples=SAMPLES) | {
        NETWORK: measure_whole_network(whole, names)
    }


def glossary() -> str:
    """Return the glossary in Markdown: a table for each instrument."""
    first, deeper, whole = measured().values()
    lines: list[str] = []
    for instrument in sorted(BUILT_IN):
        names = [name for name in first | deeper | whole if name.startswith(f"{instrument}.")]
        heading = f"{instrument}, of the whole network" if names[0] in whole else instrument
        lines += [f"### {heading}", "", "| quantity | axes | definition |", "| --- | --- | --- |"]
        lines += [
            _row(name, whole, whole) if name in whole else _row(name, first, deeper) for name in sorted(names)
        ]
        lines.append("")
    return "\n".join(lines)


def _row(name: str, first: Mapping[str, Quantity], deeper: Mapping[str, Quantity]) -> str:
    quantity = first.get(name) or deeper[name]
    words = quantity.definition if name in first else f"{quantity.definition} (deeper layers only)"
    if name in first and name not in deeper:
        words += " (first layer only)"
    unit = "" if quantity.unit == "1" else f", in {quantity.unit}s"
    title = QUANTITIES[name].title if name in QUANTITIES else ""
    definition = _escaped(f"**{title}**: {words}{unit}" if title else f"{words}{unit}")
    return f"| `{name}` | {' × '.join(quantity.dims) or 'one number'} | {definition} |"


def _escaped(text: str) -> str:
    """Return text as Markdown shows it in a table: a bar would end the cell."""
    return re.sub(r"([|<>_*\[\]])", r"\\\1", text).replace(r"\*\*", "**")


def _task(stream: np.random.Generator) -> Task:
    inputs = stream.laplace(size=(SAMPLES, *GEOMETRY.shape)).astype(np.float32)
    labels = np.arange(SAMPLES, dtype=np.int64) % CLASSES
    return Task(
        name="drawn at random",
        geometry=GEOMETRY,
        num_classes=CLASSES,
        train_inputs=inputs,
        train_labels=labels,
        test_inputs=inputs,
        test_labels=labels,
        card={  # for the instrument `recovery`
            "support": [[0, 1, 6], [40, 41]],
            "support_kinds": {"parents": [0, 1], "children": [6], "co_parents": [40, 41]},
        },
    )


def _half(network: FullyConnected, name: str, share: float) -> torch.Tensor:
    size = network.get_parameter(name).detach().abs()
    return size >= size.flatten().quantile(1 - share)


def main() -> None:
    """Write the glossary into the page."""
    page = PAGE.read_text("utf-8")
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}{glossary()}{END}{after}", "utf-8")


if __name__ == "__main__":
    main()
