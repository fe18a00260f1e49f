"""Criteria: functions that score how much each weight is worth keeping. One file each, registered by name."""

from sparsight.registry import import_modules_of

import_modules_of(__name__, __path__)
