"""What has been measured: the store, statistics, the board made from it, and its printed forms.

Others take `store.Store`, `board.build`, `stats`, `boardview.Board`. The board is a pure function of the store.
Uses `values`.
"""
