"""Built-in probes: measurements on models rather than on scores, as functions on plain arrays and models.

Words for axes: batch, groups (of examples), length (positions of one sequence), tokens (of many sequences, one
row each), width (features), heads, layers, classes. Others take nothing: `builtin` is a plugin.
Uses `plugins`, `probing`, `values`.
"""
