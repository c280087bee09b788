"""The formats that results are exported in, by name."""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from discbench.exports.selection import Files, Selection

FORMATS = {
    "lm-eval": ("lm_eval", "to_lm_eval"),
    "eee": ("eee", "to_eee"),
    "hf-eval-results": ("hub", "to_eval_results"),
    "eval-yaml": ("hub", "to_eval_yaml"),
    "model-index": ("hub", "to_model_index"),
    "csv": ("tables", "to_csv"),
    "latex": ("tables", "to_latex"),
}
"""Format -> module of `discbench.exports` and its function."""
SHOWS_MARKS = {"csv", "latex"}
"""Formats that say which cells are marked or failed, so that they take all."""


def files_of(form: str, selection: "Selection") -> "Files":
    """Return the files of one of `FORMATS`.

    Raises:
        UserError: The format cannot say what was selected.
    """
    module, name = FORMATS[form]
    make: Callable[[Selection], Files] = getattr(import_module(f"discbench.exports.{module}"), name)
    return make(selection)
