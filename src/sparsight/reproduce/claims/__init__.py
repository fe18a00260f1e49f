"""The claims, one a file; a file with a `CLAIM` in it is enough for `sparsight reproduce` to find it."""
