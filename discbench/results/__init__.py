"""What has been measured: the store, statistics, the board made from it, and its printed forms.

Others take `store.Store`, `board.build`, `stats`, `boardview.Board`. The board is a pure function of the
results that it is given; a store gives them with the marks that they earn by what tasks name now.
Uses `plugins`, `values`, `words`.
"""
