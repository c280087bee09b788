"""The commands, one file a family; `discbench.cli` gathers them.

Uses `data`, `exports`, `hosts`, `plugins`, `pretraining`, `probing`, `results`, `site`, `submissions`, `sweeps`,
`training`, `values`, `words`, and the front door.
"""
