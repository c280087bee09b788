"""What the loop is made of: its batches, its losses, and its whole state, saved to a file and put back to the byte.

Used by `training` only.
Uses `models`, `values`, `words`.
"""
