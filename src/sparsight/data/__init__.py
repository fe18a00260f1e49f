"""Tasks to train on: random fields, photographs, image files, and their Gaussian and phase clones."""
