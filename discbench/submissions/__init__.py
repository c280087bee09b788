"""What strangers send: packed, read within bounds, checked, counted again, refused.

Others take `submit` and `verify`. Uses `data`, `exports`, `results`, `site`, `training`,
`values`.
"""
