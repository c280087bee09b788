"""Checkpoints as models: inits, rows as token ids, and what is tried before a first cell. torch starts here.

Others take `building` (a checkpoint and an init to a classifier), `inputs`, `families`, `soundness`, `tokenizing`.
Uses `data`, `values`.
"""
