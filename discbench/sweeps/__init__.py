"""What was asked becomes cells, what is not in the store is run, and progress is told; a search over recipes.

Others take `sweep.prepare`, `sweep.run`, `plan.cells` and `search`.
Uses `data`, `executors`, `plugins`, `pretraining`, `results`, `training`, `values`, `words`.
"""
