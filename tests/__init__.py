"""Makes `tests` one package, so that test files can import what they share."""
