"""Photographs, published sets and files of images; importing this registers every source."""

from sparsight.registry import import_modules_of

import_modules_of(__name__, __path__)
