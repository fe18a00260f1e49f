"""How many weights rounds of one rate leave, written down once more for the tests."""

from fractions import Fraction


def num_kept_by_level(num_weights: int, rate: float, num_levels: int) -> list[int]:
    """Kept weights at levels 0 … `num_levels`: each round removes ⌊rate · kept⌋, the rate read as decimal."""
    kept = [num_weights]
    for _ in range(num_levels):
        kept.append(kept[-1] - Fraction(str(rate)) * kept[-1] // 1)
    return kept
