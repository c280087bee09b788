"""Measurements on models rather than on scores, as functions on plain arrays and models.

Words for axes: batch, length (positions of one sequence), tokens (positions of many sequences in one row each), width
(features), heads, layers, classes.
"""
