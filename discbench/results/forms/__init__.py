"""The form of what is stored: one description that the store's reader, `verify` and the JSON Schema share."""
