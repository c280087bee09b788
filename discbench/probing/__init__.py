"""What takes probes: measurements on models instead of scores, from names to stored results.

Others take `api.probe`, and what a probe is given (`measuring.Subject`, `Given`). The probes themselves are plugins, in
`probes/`.
Uses `data`, `models`, `plugins`, `pretraining`, `results`, `training`, `values`, `words`.
"""
