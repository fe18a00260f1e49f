"""The recipe: everything a run depends on."""
