"""Who runs which cell: locks, and beside each, readable from any machine, whose it is."""
