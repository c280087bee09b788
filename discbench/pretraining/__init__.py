"""A small BERT from text or from an artificial language: vocabulary, masked batches, training that can be resumed.

Others take `pretrain`, and `made`: checkpoints by name, made when they are asked for. What it made lies in `builtin/`,
beside this room.
Uses `data`, `plugins`, `values`, `words`.
"""
