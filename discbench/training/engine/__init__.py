"""The same numbers for less work: savings, each tried on a checkpoint before it is used.

A saving changes a model in place and puts it back: the rows of its embedding that no batch names, its last layer beyond
the place that the head reads, padding, the price of a dropout mask. None knows an architecture by name. Others take
`trial` (which savings agree with the plain model) and `savings` (a model with them). Uses no room.
"""
