"""Compiled loops over kept weights."""
