"""Relatives among rows: rows cut into splits, families, stretches of symbols as hashes, near copies of train rows."""
