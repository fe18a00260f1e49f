"""Pickles of other programs, read without running anything in them.

_interpreter: the operations of a pickle that data need, with limits on memory and work
_rebuilders: arrays, dtypes and scalars from the calls that numpy writes into a pickle
"""

from sparsight.pickles._interpreter import read_restricted_pickle as read_restricted_pickle
