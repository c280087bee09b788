"""The Ray executor (`--executor ray`): each cell a task on a node of a Ray cluster, on this machine or on many.

`executor` is what discbench calls. It starts `driver` in a process of its own, since Ray ends the process that drives
it when the head is gone; `driver` and its `flights` hand cells to `node`, which runs where Ray says, and store what
comes back. `parcels` are rows and checkpoints on their way; `cluster` is Ray's own part: started or joined, and its
errors in our words; `asked` holds what is asked and told. Nothing here imports ray before it is needed.
"""
