"""Executors: how cells are spread over processes and machines."""
