"""Draw the picture of the README: ``python docs/readme_picture.py RUN``, a run of the default recipe."""

import sys
from pathlib import Path

from matplotlib.figure import Figure

from sparsight.figures import plot_over_density
from sparsight.store import NETWORK, intervals_by_level, open_run

PANELS = (
    ("locality.near", "near-locality", 1.0, "chance"),
    ("gaussianity.excess_kurtosis_within_class", "excess kurtosis κ within classes", 0.0, "Gaussian"),
    ("test_accuracy", "test accuracy", None, ""),
)


def main(path: str) -> None:
    """Write ``docs/images/photographs.png``."""
    run = open_run(path)
    frame, layer = run.frame(), run.layers()[0]
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    for ax, (quantity, label, null, null_label) in zip(figure.subplots(1, 3), PANELS, strict=True):
        table = intervals_by_level(frame, quantity, NETWORK if quantity == "test_accuracy" else layer)
        plot_over_density(table, ax, ylabel=label, null=null, null_label=null_label)
    target = Path(__file__).parent / "images" / "photographs.png"
    target.parent.mkdir(exist_ok=True)
    figure.savefig(target, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main(sys.argv[1])
