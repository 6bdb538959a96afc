"""Tables, pictures and pages of a run: one kit for `make bench`, `make bench-encoder` and `make study`."""
