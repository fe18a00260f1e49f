"""Write the page on the claims: ``python -m sparsight.reproduce TABLES PAGE``."""

import sys
from pathlib import Path

from sparsight.errors import SparsightError
from sparsight.reproduce._document import write_claims_page

if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m sparsight.reproduce TABLES PAGE, such as docs/claims docs/claims.md")
    try:
        write_claims_page(Path(sys.argv[1]), Path(sys.argv[2]))
    except SparsightError as error:
        sys.exit(str(error))
