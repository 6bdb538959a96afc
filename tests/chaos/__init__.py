"""Faults under load: what is done to a running fleet, what was expected, what its clients saw. `make chaos`."""
