"""Words: what plugins and strangers say, as Python's own values or in one printable line, and what JSON may be.

Others take `foreign`, `names` (the one function through which names are printed or drawn), `terminal`, `forms`; and
what every process needs: `interruption` (how it ends by a signal, in one line), `parts` (what it has half written),
`allocator` (what it does with memory that it has freed).
Uses no room.
"""
