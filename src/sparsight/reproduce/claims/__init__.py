"""The claims, one per file. `sparsight reproduce` finds every module here that defines a `CLAIM`.

Their statements, statistics and rules were written before the runs and are part of the published result
tables. Do not change them after looking at a run; write a new claim instead.
"""
