"""The claims, one per file. `sparsight reproduce` finds every module here that defines a `CLAIM`.

Their statements, statistics and rules are written before the runs and are part of the published result
tables. Do not change them after looking at a run; write a new claim instead. If a rule turns out not to test
its statement, change it, say so in docs/decisions.md, and run the claim on fresh seeds.
"""
