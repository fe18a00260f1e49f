"""One training of one masked network."""
