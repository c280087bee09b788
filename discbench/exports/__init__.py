"""Results for others: a store in their formats, each a pure function from results to named files; trackers.

Others take `selection` and one function a format. Uses `plugins`, `results`, `values`, `words`.
"""
