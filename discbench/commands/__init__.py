"""The commands, one file a family; `discbench.cli` gathers them.

Uses `data`, `executors`, `exports`, `hosts`, `plugins`, `pretraining`, `probing`, `results`, `site`, `submissions`,
`sweeps`, `training`, `values`, `words`, and the front door.
"""
