"""The sparse step: training on kept weights only, where that is faster than masked dense products."""
