"""One cell, start to end: models and inits, rows as token ids, the loop, scores.

Others take `run` (a cell to a result), `models`, `score`, `steady`; and `dynamics`, `targets`, `ranks`, which need no
torch.
Uses `data`, `models`, `results`, `values`, `words`.
"""
