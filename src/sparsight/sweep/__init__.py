"""One recipe over many values."""
