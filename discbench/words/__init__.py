"""Words: what plugins and strangers say, as Python's own values or in one printable line.

Others take `foreign`. Uses no room.
"""
