"""Built-in corpora: text to pre-train on, offered as a plugin's would be.

Others take nothing. Uses `plugins`, `values`.
"""
