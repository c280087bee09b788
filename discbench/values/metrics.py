"""Metrics as light values: a name, a direction, and a function of NumPy arrays.

The functions call scikit-learn and SciPy, imported late.
Where a metric is undefined (one class only, constant predictions), it is 0 and never NaN: a model that
answers the same to everything has learnt nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from discbench.errors import PluginError
from discbench.words.foreign import apart, number, quoted, raised
from discbench.words.forms import FINITE

Array = NDArray[Any]
Needs = Literal["prediction", "output"]
Of = Literal["anything", "classes", "two classes", "scalars"]
ROUNDING = 1e-9
"""By which a sum of decimals may leave its bounds."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A score computed from predictions and targets, both of shape (rows,)."""

    name: str
    function: Callable[[Array, Array], float]
    """Maps (targets, predictions) to one finite number, in scikit-learn's order of arguments.

    0 where it is undefined."""
    companions: tuple["Metric", ...] = ()
    """What is reported beside it by default."""
    higher_is_better: bool = True
    needs: Needs = "prediction"
    """`prediction`: the class or number. `output`: the model's raw outputs of shape (rows, outputs)."""
    about: str = ""
    of: Of = "anything"
    """The targets that it can score."""
    least: float = -FINITE
    """The least that it can be."""
    most: float = FINITE
    """The most that it can be."""

    def __post_init__(self) -> None:
        """Check that it can be called and stored.

        Raises:
            PluginError: Its name is empty, its function is none, or it is of an unknown kind.
        """
        function: object = self.function
        if not isinstance(self.name, str) or not self.name:
            raise PluginError(f"a metric is named by a word, but {self.name!r} was given")
        if not callable(function):
            raise PluginError(
                f"metric {self.name!r}: function maps targets and predictions, but {quoted(function)} was given"
            )
        for part, kinds in (("needs", get_args(Needs)), ("of", get_args(Of))):
            if getattr(self, part) not in kinds:
                raise PluginError(
                    f"metric {self.name!r}: {part} is one of {', '.join(kinds)}, but {getattr(self, part)!r} was given"
                )

    def __call__(self, targets: Array, predictions: Array) -> float:
        """Return the score of predictions, or of outputs if it needs those.

        Args:
            targets: Shape (items,).
            predictions: Shape (items,), or (items, outputs).

        Raises:
            PluginError: Its function failed, or returned anything but one finite number.
        """
        try:
            with apart():
                found = self.function(targets, predictions)
        except (Exception, SystemExit) as error:
            raise PluginError(f"metric {self.name!r} failed: {raised(error)}") from error
        value = number(found)
        if value is None:
            raise PluginError(f"metric {self.name!r} returned {quoted(found)}; it must return one finite number")
        if not self.allows(value):
            raise PluginError(f"metric {self.name!r} returned {value:g}, but is from {self.least:g} to {self.most:g}")
        return value

    def allows(self, value: float) -> bool:
        """Tell whether it can be this, rounding apart."""
        return self.least - ROUNDING <= value <= self.most + ROUNDING

    def scores(self, classes: int | None) -> bool:
        """Tell whether it can score a target of so many classes, or (None) a number."""
        wanted = {"scalars": classes is None, "classes": classes is not None, "two classes": classes == 2}  # noqa: PLR2004
        return wanted.get(self.of, True)


def rehearse(metrics: Iterable[Metric], targets: Array, outputs: int) -> None:
    """Compute metrics where they tend to be undefined, before a model is trained for them.

    Bootstrap samples of the test items, and models that learn nothing, lead there.

    Args:
        metrics: Those of a task.
        targets: Shape (items,).
        outputs: How many a model gives for an item.

    Raises:
        PluginError: A metric fails, or is not a number there.
    """
    cases = {"items that are all answered alike": targets, "items of one label": targets[targets == targets[0]]}
    for metric, (case, kept) in product(metrics, cases.items()):
        given = np.zeros((len(kept), outputs)) if metric.needs == "output" else np.zeros_like(kept)
        try:
            metric(kept, given)
        except PluginError as error:
            raise PluginError(f"{error} (tried on {case}; a metric is 0 where it is undefined)") from error


def _defined(correlation: Callable[[Array, Array], Any], targets: Array, predictions: Array) -> float:
    if len(targets) < 2 or np.ptp(targets) == 0 or np.ptp(predictions) == 0:  # noqa: PLR2004 - two points make a line
        return 0.0
    return float(correlation(targets, predictions))


def _accuracy(targets: Array, predictions: Array) -> float:
    return float(np.mean(targets == predictions))


def _balanced_accuracy(targets: Array, predictions: Array) -> float:
    from sklearn.metrics import recall_score

    present = np.unique(targets)
    return float(recall_score(targets, predictions, labels=present, average="macro", zero_division=0.0))


def _macro_f1(targets: Array, predictions: Array) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(targets, predictions, average="macro", zero_division=0.0))


def _f1(targets: Array, predictions: Array) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(targets, predictions, zero_division=0.0))


def _matthews(targets: Array, predictions: Array) -> float:
    from sklearn.metrics import matthews_corrcoef

    return _defined(matthews_corrcoef, targets, predictions)


def _spearman(targets: Array, predictions: Array) -> float:
    from scipy.stats import spearmanr

    return _defined(lambda t, p: spearmanr(t, p).statistic, targets, predictions)


def _pearson(targets: Array, predictions: Array) -> float:
    from scipy.stats import pearsonr

    return _defined(lambda t, p: pearsonr(t, p).statistic, targets, predictions)


def _rmse(targets: Array, predictions: Array) -> float:
    return float(np.sqrt(np.mean((targets.astype(np.float64) - predictions) ** 2)))


def _auroc(targets: Array, outputs: Array) -> float:
    from sklearn.metrics import roc_auc_score

    if len(np.unique(targets)) < 2:  # noqa: PLR2004 - undefined with one class
        return 0.5
    return float(roc_auc_score(targets, outputs[:, 1] - outputs[:, 0]))


balanced_accuracy = Metric(
    "balanced_accuracy",
    _balanced_accuracy,
    about="mean recall of the classes that occur",
    of="classes",
    least=0.0,
    most=1.0,
)
macro_f1 = Metric(
    "macro_f1", _macro_f1, about="mean F1 of the classes that occur or are predicted", of="classes", least=0.0, most=1.0
)
accuracy = Metric(
    "accuracy",
    _accuracy,
    (balanced_accuracy, macro_f1),
    about="share of right answers",
    of="classes",
    least=0.0,
    most=1.0,
)
f1 = Metric("f1", _f1, (accuracy,), about="F1 of class 1", of="two classes", least=0.0, most=1.0)
matthews = Metric(
    "matthews", _matthews, (accuracy,), about="Matthews correlation coefficient", of="classes", least=-1.0, most=1.0
)
pearson = Metric(
    "pearson",
    _pearson,
    about="linear correlation; 0 for constant predictions",
    of="scalars",
    least=-1.0,
    most=1.0,
)
rmse = Metric(
    "rmse",
    _rmse,
    higher_is_better=False,
    about="root of the mean squared error, in the label's unit",
    of="scalars",
    least=0.0,
)
spearman = Metric(
    "spearman",
    _spearman,
    (pearson, rmse),
    about="rank correlation; 0 for constant predictions",
    of="scalars",
    least=-1.0,
    most=1.0,
)
auroc = Metric(
    "auroc",
    _auroc,
    (accuracy,),
    needs="output",
    about="area under the ROC curve of class 1",
    of="two classes",
    least=0.0,
    most=1.0,
)
BUILT_IN = (accuracy, auroc, balanced_accuracy, f1, macro_f1, matthews, pearson, rmse, spearman)
"""What the package brings."""
