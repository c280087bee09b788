"""discbench: how well does a pretrained model learn a discipline it never saw?

`evaluate` fine-tunes checkpoints on tasks and returns a `Board`, `probe` measures them and returns `Measurements`; the
other names are all that a plugin needs. None of them imports torch before it is called.
"""

import typing as _typing

from discbench.plugins.hookspecs import hookimpl
from discbench.plugins.suites import Part, Suite
from discbench.values.mapping import RandomTable, TextTable
from discbench.values.measurement import Probe
from discbench.values.metrics import (
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
from discbench.values.types import Classes, Corpus, Dataset, Form, Row, Scalar, Specialist, Splits, Task
from discbench.values.version import __version__

if _typing.TYPE_CHECKING:
    from discbench.api import evaluate
    from discbench.probing.api import probe
    from discbench.results.boardview import Board
    from discbench.results.probeview import Measurements
    from discbench.values.jobs import Event, Executor

_LATE = {
    "Board": "discbench.results.boardview",
    "Event": "discbench.values.jobs",
    "Executor": "discbench.values.jobs",
    "Measurements": "discbench.results.probeview",
    "evaluate": "discbench.api",
    "probe": "discbench.probing.api",
}
"""Names that are looked up when they are asked for, so that a plugin does not pay for them."""

__all__ = [
    "Board",
    "Classes",
    "Corpus",
    "Dataset",
    "Event",
    "Executor",
    "Form",
    "Measurements",
    "Metric",
    "Part",
    "Probe",
    "RandomTable",
    "Row",
    "Scalar",
    "Specialist",
    "Splits",
    "Suite",
    "Task",
    "TextTable",
    "__version__",
    "accuracy",
    "auroc",
    "balanced_accuracy",
    "evaluate",
    "f1",
    "hookimpl",
    "macro_f1",
    "matthews",
    "pearson",
    "probe",
    "rmse",
    "spearman",
]


def __getattr__(name: str) -> _typing.Any:  # noqa: ANN401 - whatever is asked for
    """Look up a late name."""
    if name not in _LATE:
        raise AttributeError(f"module 'discbench' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LATE[name]), name)
