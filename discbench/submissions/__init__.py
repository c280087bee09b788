"""What strangers send: packed, read within bounds, checked, counted again, refused.

Others take `submit` and `verify`.
Uses `data`, `exports`, `models`, `results`, `site`, `training`, `values`, `words`.
"""
