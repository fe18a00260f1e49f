"""Random fields with their exact Gaussian twins."""

from sparsight.registry import import_modules_of

import_modules_of(__name__, __path__)
