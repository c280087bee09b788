"""Built-in tasks. Each file imports public names only, as a third party's would.

Others take nothing: each file is a plugin. Uses `data`, and the front door.
"""
