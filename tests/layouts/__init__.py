"""Small random models in the layouts that public checkpoints have, each with what must come of it.

A layout makes a folder; sentence-transformers says what its vectors are. LayerNorms and biases are moved away from 1
and 0, else a loader that leaves them out would not be seen. The vocabularies hold single characters of many scripts, in
both cases, so that a tokenizer that lower-cases, cuts or normalises otherwise gives other ids.
"""
