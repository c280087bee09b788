"""A small BERT from text or from an artificial language: vocabulary, masked batches, training that can be resumed.

Others take `corpus` and `pretrain`; `builtin/`, beside this room, holds what was made with it.
Uses `plugins`, `values`, `words`.
"""
