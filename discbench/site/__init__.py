"""The board as static pages, a pure function of it: same board, same bytes; they open from a file, without a network.

Others take `pages.build`. Uses `plugins`, `results`, `values`, `words`.
"""
