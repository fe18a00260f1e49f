"""Random weight matrices whose entries are uncorrelated but not independent."""

import numpy as np


def orthogonal_matrix(stream: np.random.Generator, num_rows: int, num_columns: int) -> np.ndarray:
    """Return a matrix whose rows or columns, whichever are fewer, are orthonormal, uniform over all."""
    is_wide = num_columns > num_rows
    shape = (num_columns, num_rows) if is_wide else (num_rows, num_columns)
    basis, triangle = np.linalg.qr(stream.normal(size=shape))
    # With the signs of the diagonal the distribution is uniform; QR alone chooses them in its own way.
    basis = basis * np.where(np.diag(triangle) < 0, -1.0, 1.0)
    return basis.T if is_wide else basis


def low_rank_matrix(stream: np.random.Generator, num_rows: int, num_columns: int, rank: int) -> np.ndarray:
    """Return a random orthonormal basis of `rank` columns times a Gaussian one; entries have variance 1."""
    basis = orthogonal_matrix(stream, num_rows, rank)
    return np.asarray(np.sqrt(num_rows / rank) * basis @ stream.normal(size=(rank, num_columns)))
