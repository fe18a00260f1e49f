"""Criteria: what says how much a weight is worth keeping. One file each, registered by name."""

from sparsight.registry import import_modules_of

import_modules_of(__name__, __path__)
