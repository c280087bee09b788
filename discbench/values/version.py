"""The version, apart from the public names so that rooms need not import those."""

__version__ = "0.1.0"
