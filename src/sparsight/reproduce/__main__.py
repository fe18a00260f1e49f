"""Write what is said of the claims: ``python -m sparsight.reproduce TABLES CLAIMS_PAGE [OTHER_PAGE…]``."""

import sys
from pathlib import Path

from sparsight.errors import SparsightError
from sparsight.reproduce._document import fill_in_pages, write_claims_page

if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(
            "usage: python -m sparsight.reproduce TABLES CLAIMS_PAGE [OTHER_PAGE…], such as docs/claims "
            "docs/claims.md README.md: the first page is written, results in the others are filled in"
        )
    tables, claims_page, *pages = map(Path, sys.argv[1:])
    try:
        write_claims_page(tables, claims_page)
        fill_in_pages(tables, claims_page, pages)
    except SparsightError as error:
        sys.exit(str(error))
