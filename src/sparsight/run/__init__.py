"""Runs: from a validated recipe to levels on disk."""
