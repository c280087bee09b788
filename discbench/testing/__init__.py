"""The conformance kit: what a plugin's author, and our own tests, check a plugin with.

Each check raises AssertionError with one sentence, for example
`rna.donor: every symbol is in the alphabet, but ['U'] are not`.
Uses `data`, `executors`, `models`, `plugins`, `probing`, `results`, `sweeps`, `training`, `values`, and the front
door.
"""

from discbench.testing.checkpoints import tiny_checkpoint
from discbench.testing.corpora import check_corpus
from discbench.testing.executors import check_executor
from discbench.testing.learning import overfits
from discbench.testing.probes import check_probe
from discbench.testing.tasks import Remark, check_mapping, check_task, example_vocabulary

__all__ = [
    "Remark",
    "check_corpus",
    "check_executor",
    "check_mapping",
    "check_probe",
    "check_task",
    "example_vocabulary",
    "overfits",
    "tiny_checkpoint",
]
