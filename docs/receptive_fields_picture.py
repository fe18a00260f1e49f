"""Draw the README's picture of receptive fields: ``python docs/receptive_fields_picture.py RUN… OUT.png``.

At the last level, of each condition: units evenly spaced by index among those that keep at least four inputs,
since fewer have no shape. On data that wrap, a field is moved so that its kept inputs are around the centre.
The rule knows nothing else of where the inputs lie, and is the same for random pruning.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sparsight import open_run
from sparsight.figures import evenly_spaced, field_colours, mosaic
from sparsight.geometry import Geometry
from sparsight.store import Run

CONDITIONS = {"imp": "magnitude", "twin": "magnitude, Gaussian twin", "random": "random"}
UNITS, COLUMNS, LEAST_INPUTS, LAYER = 15, 5, 4, "linear_0.weight"


def fields_of(run: Run) -> tuple[dict[str, np.ndarray], float]:
    """Return the weights of the chosen units, (unit, input), by condition, and their density."""
    level = min(run.directory.num_levels(condition, 0) for condition in CONDITIONS) - 1
    chosen = {}
    for condition in CONDITIONS:
        weight = run.level(condition, 0, level).final[LAYER].numpy()
        shaped = weight[(weight != 0).sum(axis=1) >= LEAST_INPUTS]
        chosen[condition] = centred(shaped[evenly_spaced(len(shaped), UNITS)], run.geometry(condition))
    return chosen, run.directory.records("imp", 0)[level].density


def centred(weight: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Return the fields, (unit, input), each moved to the centre along every axis if the geometry wraps."""
    if not geometry.wraps:
        return weight
    fields = weight.reshape(len(weight), *geometry.size)
    moved = []
    for field in fields:
        for axis, extent in enumerate(geometry.size):
            places = np.nonzero(field)[axis]
            middle = np.angle(np.exp(2j * np.pi * places / extent).mean()) * extent / (2 * np.pi)
            field = np.roll(field, extent // 2 - round(float(middle)), axis)
        moved.append(field.ravel())
    return np.stack(moved)


def draw(runs: list[Run], out: Path) -> None:
    """Write the picture: a row a run, a column a condition."""
    figure, axes = plt.subplots(len(runs), len(CONDITIONS), figsize=(9.0, 2.05 * len(runs)), squeeze=False)
    for run, row in zip(runs, axes, strict=True):
        weights, density = fields_of(run)
        for ax, (condition, words) in zip(row, CONDITIONS.items(), strict=True):
            ax.imshow(mosaic(field_colours(weights[condition], run.geometry(condition)), COLUMNS))
            ax.set_axis_off()
            ax.set_title(f"{run.recipe.name}: {words}, {100 * density:.2g} %", fontsize=8)
    figure.tight_layout(pad=0.4)
    figure.savefig(out, dpi=180)


if __name__ == "__main__":
    draw([open_run(path) for path in sys.argv[1:-1]], Path(sys.argv[-1]))
