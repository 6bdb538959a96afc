"""Texts of a file to vectors in a file, on all cores, without HTTP: reader, encoders, writer, and what joins them."""
