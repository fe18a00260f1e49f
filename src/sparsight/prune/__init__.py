"""Pruning: criteria give scores, masks say what stays, imp says when."""
