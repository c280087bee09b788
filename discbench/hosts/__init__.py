"""Hosts: other harnesses that ask for our cells. Each is a view over the same store; none runs anything itself."""
