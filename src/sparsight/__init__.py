"""sparsight: see what pruning does to the representations of a neural network.

The public names are listed once, in ``__init__.pyi``. Each is imported when it is first used: importing torch
takes two seconds, and ``sparsight --help`` does not need it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
