"""``python -m sparsight.cli``."""

from sparsight.cli import main

main()
