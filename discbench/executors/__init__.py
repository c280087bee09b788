"""Executors: how cells are spread over processes and machines. Built-in plugins.

Authors of executors take `inprocess.run`, one job in the process that calls it.
Uses `data`, `models`, `plugins`, `results`, `training`, `values`, `words`.
"""
