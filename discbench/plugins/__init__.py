"""Plugins: hooks, the registry that finds what implements them, foreign code held apart, new ones from a template.

Others take `registry` (tasks, probes, corpora, executors by name) and `hookspecs`.
Uses `values`, `words`.
"""
