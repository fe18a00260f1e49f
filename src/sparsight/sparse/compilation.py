"""How the loops of the sparse step are compiled.

All take and fill NumPy arrays of one real dtype in the layout of `sparsight.sparse.tiles`, and most of them
the rows ``first … last − 1`` only, so that threads can share the rows out. They are compiled for this
machine's processor when first called, and kept on disk. Sums run in another order than written
(``reassoc``), the same one every time; NaN and infinity behave as ever.
"""

import numba

compiled = numba.njit(
    fastmath={"reassoc", "contract", "nsz"}, nogil=True, cache=True, error_model="numpy", boundscheck=False
)
