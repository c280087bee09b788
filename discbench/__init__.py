"""discbench: how well does a pretrained model learn a discipline it never saw?

`evaluate` fine-tunes checkpoints on tasks and returns a `Board`, `probe` measures them and returns `Measurements`,
`explain` holds the two together and returns an `Explanation`; the other names are all that a plugin needs. None of
them imports torch before it is called.
"""

import typing as _typing

if _typing.TYPE_CHECKING:
    from discbench.api import evaluate
    from discbench.plugins.hookspecs import hookimpl
    from discbench.plugins.suites import Part, Suite
    from discbench.probing.api import probe
    from discbench.results.boardview import Board
    from discbench.results.explaining.explain import Explanation, explain
    from discbench.results.probeview import Measurements
    from discbench.values.jobs import Event, Executor
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

_METRICS = ("accuracy", "auroc", "balanced_accuracy", "f1", "macro_f1", "matthews", "pearson", "rmse", "spearman")
_TYPES = ("Classes", "Corpus", "Dataset", "Form", "Row", "Scalar", "Specialist", "Splits", "Task")
_LATE = {
    "Board": "discbench.results.boardview",
    "Event": "discbench.values.jobs",
    "Executor": "discbench.values.jobs",
    "Explanation": "discbench.results.explaining.explain",
    "Measurements": "discbench.results.probeview",
    "Metric": "discbench.values.metrics",
    "Part": "discbench.plugins.suites",
    "Probe": "discbench.values.measurement",
    "RandomTable": "discbench.values.mapping",
    "Suite": "discbench.plugins.suites",
    "TextTable": "discbench.values.mapping",
    "__version__": "discbench.values.version",
    "evaluate": "discbench.api",
    "explain": "discbench.results.explaining.explain",
    "hookimpl": "discbench.plugins.hookspecs",
    "probe": "discbench.probing.api",
    **dict.fromkeys(_METRICS, "discbench.values.metrics"),
    **dict.fromkeys(_TYPES, "discbench.values.types"),
}
"""Names that are looked up when they are asked for: a plugin pays for what it uses, and a command, which begins with
this file, hears signals from its first hundredth of a second."""

__all__ = [
    "Board",
    "Classes",
    "Corpus",
    "Dataset",
    "Event",
    "Executor",
    "Explanation",
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
    "explain",
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
    """Look up a late name, once."""
    if name not in _LATE:
        raise AttributeError(f"module 'discbench' has no attribute {name!r}")
    import importlib

    found = getattr(importlib.import_module(_LATE[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
