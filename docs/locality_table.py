"""Write the table of known receptive fields into docs/instruments.md: ``python docs/locality_table.py``.

Every measure of locality, for receptive fields whose locality is known. A test compares the page with it.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sparsight.geometry import Geometry
from sparsight.measure import (
    LocalityVerdict,
    fit_gabor,
    fit_gaussian,
    locality,
    locality_verdict,
    mean_of_defined,
    num_components,
    sample_masks,
    shuffled_over_kept,
    student_interval,
)

PAGE = Path(__file__).parent / "instruments.md"
BEGIN, END = "<!-- locality_table.py: begin -->\n", "<!-- locality_table.py: end -->\n"

RING, PLANE = Geometry(1, (96,), wraps=True), Geometry(1, (16, 16))
UNITS, REPLICATES, FITTED = 64, 6, 3
"""Units of a layer, layers of each kind, and units of the first layer that are fitted."""

Weights = np.ndarray  # float64, (out, in), 0 where pruned
Kind = Callable[[np.random.Generator], Weights]


def random_ring(stream: np.random.Generator) -> Weights:
    """Return Gaussian weights on 24 of 96 inputs of a ring, anywhere."""
    return _on_random_places(stream, np.ones((UNITS, 96), bool), 24)


def window(stream: np.random.Generator) -> Weights:
    """Return bumps on 24 neighbouring inputs of a ring."""
    return _rolled(stream, np.where(np.arange(96) < 24, np.exp(-((np.arange(96) - 11.5) ** 2) / 72), 0))


def loose_window(stream: np.random.Generator) -> Weights:
    """Return Gaussian weights on 24 random inputs of a window of 48."""
    return _on_random_places(stream, _rolled(stream, np.arange(96) < 48), 24)


def wave(stream: np.random.Generator) -> Weights:
    """Return the 24 largest values of a cosine with |cos| of period 24, at any phase."""
    phase = stream.uniform(0, 48, (UNITS, 1))
    return _largest(np.cos(2 * np.pi * (np.arange(96) - phase) / 48), 24)


def noisy_wave(stream: np.random.Generator) -> Weights:
    """Return the 24 largest weights of a wave of five cycles, plus noise with a third of its sd."""
    phase = stream.uniform(0, 96, (UNITS, 1))
    pure = np.cos(2 * np.pi * 5 * (np.arange(96) - phase) / 96)
    return _largest(pure + stream.normal(size=pure.shape) * np.sqrt(0.5) / 3, 24)


def clumps_on_ring(stream: np.random.Generator) -> Weights:
    """Return Gaussian weights on eight clumps of three neighbours, at least one input apart."""
    return _clumps(stream, RING, 8, [[0], [1], [2]])


def random_plane(stream: np.random.Generator) -> Weights:
    """Return Gaussian weights on 36 of 16 × 16 inputs, anywhere."""
    return _on_random_places(stream, np.ones((UNITS, 256), bool), 36)


def square(stream: np.random.Generator) -> Weights:
    """Return bumps on 6 × 6 inputs."""
    y, x = np.indices((16, 16))
    fields = np.zeros((UNITS, 16, 16))
    for unit, (top, left) in enumerate(stream.integers(0, 11, (UNITS, 2))):
        inside = (y >= top) & (y < top + 6) & (x >= left) & (x < left + 6)
        fields[unit] = inside * np.exp(-((y - top - 2.5) ** 2 + (x - left - 2.5) ** 2) / 8)
    return fields.reshape(UNITS, 256)


def clumps_on_plane(stream: np.random.Generator) -> Weights:
    """Return Gaussian weights on twelve clumps of three inputs, at least one input apart."""
    return _clumps(stream, PLANE, 12, [[0, 0], [0, 1], [1, 0]])


def border(stream: np.random.Generator) -> Weights:
    """Return Gaussian weights on 36 of the inputs that are one or two from the border."""
    inner = np.zeros((16, 16), bool)
    inner[2:-2, 2:-2] = True
    return _on_random_places(stream, np.tile(~inner.ravel(), (UNITS, 1)), 36)


def stripes(stream: np.random.Generator) -> Weights:
    """Return the 96 largest values of plane waves of period 10 across the whole plane."""
    y, x = np.indices((16, 16)).reshape(2, 1, 256)
    angle, phase = stream.uniform(0, np.pi, (2, UNITS, 1))
    return _largest(np.cos(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / 10 + 2 * phase), 96)


KINDS: dict[str, tuple[Geometry, Kind]] = {
    "window": (RING, window),
    "loose window": (RING, loose_window),
    "wave, largest weights": (RING, wave),
    "wave with noise, largest weights": (RING, noisy_wave),
    "eight clumps": (RING, clumps_on_ring),
    "random": (RING, random_ring),
    "square": (PLANE, square),
    "stripes, largest weights": (PLANE, stripes),
    "twelve clumps": (PLANE, clumps_on_plane),
    "border": (PLANE, border),
    "random, plane": (PLANE, random_plane),
}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Every measure of one kind of field: means over layers, and the word that follows from them."""

    attained_share: float
    far: float
    radius_of_gyration: float
    near: float
    near_ceiling: float
    pieces: float
    pieces_expected: float
    gaussian_beyond_shuffled: float
    gabor_beyond_shuffled: float
    word: LocalityVerdict


def measured(kind: str) -> Measured:
    """Return the measures of a kind, over `REPLICATES` layers drawn from fixed seeds."""
    geometry, make = KINDS[kind]
    layers = [make(np.random.default_rng([seed, 96])) for seed in range(REPLICATES)]
    found = [locality(layer != 0, geometry) for layer in layers]
    masks = [next(sample_masks(layer != 0, "fan_in", 1, seed)) for seed, layer in enumerate(layers)]
    numbers = {
        name: [getattr(each, name) for each in found]
        for name in ("attained_share", "far", "radius_of_gyration")
    }
    fitted = layers[0][:FITTED]
    beyond = [
        mean_of_defined(
            fit(fitted, geometry).r_squared - fit(shuffled_over_kept(fitted, 0), geometry).r_squared
        )
        for fit in (fit_gaussian, fit_gabor)
    ]
    return Measured(
        **{name: float(np.mean(values)) for name, values in numbers.items()},
        near=float(np.mean([each.near for each in found])),
        near_ceiling=found[0].near_ceiling,
        pieces=float(np.mean([num_components(layer != 0, geometry) for layer in layers])),
        pieces_expected=float(np.mean([num_components(mask, geometry) for mask in masks])),
        gaussian_beyond_shuffled=beyond[0],
        gabor_beyond_shuffled=beyond[1],
        word=locality_verdict(**{name: student_interval(values) for name, values in numbers.items()}),
    )


def table() -> str:
    """Return the table in Markdown."""
    lines = [
        "| receptive fields | attained share | far | radius | near (ceiling) | pieces (random) "
        "| Gaussian r² beyond shuffled | Gabor r² beyond shuffled | word |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for kind in KINDS:
        m = measured(kind)
        lines.append(
            f"| {kind} | {_signed(m.attained_share)} | {m.far:.2f} | {m.radius_of_gyration:.2f} "
            f"| {m.near:.2f} ({m.near_ceiling:.2f}) | {m.pieces:.1f} ({m.pieces_expected:.1f}) "
            f"| {_signed(m.gaussian_beyond_shuffled, 1)} | {_signed(m.gabor_beyond_shuffled, 1)} | {m.word} |"
        )
    return "\n".join(lines) + "\n"


def _signed(value: float, decimals: int = 2) -> str:
    return f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "−")


def _rolled(stream: np.random.Generator, row: np.ndarray) -> np.ndarray:
    return np.stack([np.roll(row, shift) for shift in stream.integers(0, len(row), UNITS)])


def _on_random_places(stream: np.random.Generator, allowed: np.ndarray, number: int) -> Weights:
    order = np.where(allowed, stream.random(allowed.shape), 2.0).argsort(axis=1)[:, :number]
    weights = np.zeros(allowed.shape)
    np.put_along_axis(weights, order, stream.normal(size=order.shape), axis=1)
    return weights


def _largest(values: np.ndarray, number: int) -> Weights:
    smallest = np.partition(np.abs(values), -number, axis=1)[:, -number, None]
    return np.where(np.abs(values) >= smallest, values, 0.0)


def _clumps(
    stream: np.random.Generator, geometry: Geometry, number: int, offsets: list[list[int]]
) -> Weights:
    """Return Gaussian weights on clumps of one shape, put one after the other where there is room."""
    fields = np.zeros((UNITS, *geometry.size))
    around = np.array(list(itertools.product((-1, 0, 1), repeat=len(geometry.size))))
    for field in fields:
        placed = 0
        while placed < number:
            clump = stream.integers(0, geometry.size) + np.array(offsets)
            if not geometry.wraps and (clump >= geometry.size).any():
                continue
            near = (clump[:, None] + around).reshape(-1, len(geometry.size))
            inside = near % geometry.size if geometry.wraps else np.clip(near, 0, np.array(geometry.size) - 1)
            if not field[tuple(inside.T)].any():
                field[tuple((clump % geometry.size).T)] = stream.normal(size=len(clump))
                placed += 1
    return fields.reshape(UNITS, -1)


def main() -> None:
    """Write the table into the page."""
    page = PAGE.read_text("utf-8")
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}{table()}{END}{after}", "utf-8")


if __name__ == "__main__":
    main()
