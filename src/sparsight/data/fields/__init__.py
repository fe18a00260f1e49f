"""Random fields with their exact Gaussian twins."""
