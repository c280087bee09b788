"""discbench: how well does a pretrained model learn a discipline it never saw?

The names below are all that a task plugin needs; none of them imports torch.
"""

from discbench.hookspecs import hookimpl
from discbench.mapping import RandomTable, TextTable
from discbench.metrics import (
    Metric,
    accuracy,
    auroc,
    balanced_accuracy,
    f1,
    macro_f1,
    matthews,
    pearson,
    rmse,
    spearman,
)
from discbench.probe import Probe
from discbench.types import Classes, Dataset, Row, Scalar, Specialist, Splits, Task

__version__ = "0.1.0"

__all__ = [
    "Classes",
    "Dataset",
    "Metric",
    "Probe",
    "RandomTable",
    "Row",
    "Scalar",
    "Specialist",
    "Splits",
    "Task",
    "TextTable",
    "__version__",
    "accuracy",
    "auroc",
    "balanced_accuracy",
    "f1",
    "hookimpl",
    "macro_f1",
    "matthews",
    "pearson",
    "rmse",
    "spearman",
]
