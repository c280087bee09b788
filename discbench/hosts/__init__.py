"""Hosts: other harnesses that ask for our cells. Each is a view over the same store; none runs anything itself.

Others take nothing but `stubs`. Uses `data`, `plugins`, `pretraining`, `results`, `values`, and the front door.
"""
