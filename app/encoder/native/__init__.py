"""Our engine for BERT: the packed file (layout, packed, structs), the C kernel (kernel/, build, library), its checks.

README.md beside this has the drawings.
"""
