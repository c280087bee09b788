"""The Slurm executor: cells as elements of an array job, through submitit, with the store on a disk that all nodes see.

`run` is the executor; `submission` makes the array, `element` is what each of its jobs does, `queue` asks Slurm, and
`waiting` tells what becomes of the cells. Slurm's accounting is not needed: the store says what is done, `squeue` what
is not.
"""
