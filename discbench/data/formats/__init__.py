"""Files as they lie: opened whatever their compression, tables of lines, of JSON, and what a file is by its bytes.

Others take `opening`, `bounds` for any archive, and a `cells.Table` from `delimited` or `jsontables`. Uses no room.
"""
