"""Data sources by name, with every shipped one registered: what looks up a name is imported from here."""

from sparsight.data import fields, images  # noqa: F401 - their sources are registered
from sparsight.data._description import availability as availability, describe_task as describe_task
from sparsight.data._sources import SOURCES as SOURCES, data_source as data_source
