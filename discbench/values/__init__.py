"""The values that every room passes on: tasks, cells, checkpoints, recipes, mappings, metrics, measurements, jobs.

A value knows nothing of files of results, of models or of the command line. Others take the classes, the draw of a
mapping table, and `asked`: all that a user may ask for.
Uses `words`.
"""
