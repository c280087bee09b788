"""Sphinx's settings for the documentation. `make docs` builds it, every warning an error, without a network."""

import ast
import importlib
import inspect
import logging
import re
import sys
from pathlib import Path
from typing import Any

import discbench
from discbench.plugins import hookspecs

sys.path.insert(0, str(Path(__file__).parent))
import generate

project = "discbench"
author = "the discbench contributors"
release = version = discbench.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_templates", "_static"]
templates_path = ["_templates"]
myst_heading_anchors = 3

nitpicky = True
# Types of other projects: their inventories lie on a network, which a build must not need.
OTHERS = (
    r"(collections|enum|io|jaxtyping|ndarray|np|numpy|os|pathlib|pd|Path|Tensor|torch|types|typing"
    r"|discbench\.data\.relatives\.splits\.T)\b.*"
)
nitpick_ignore_regex = [("py:.*", OTHERS)]

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_type_aliases = {"Result": "dict[str, Any]", "Record": "dict[str, Any]", "Rows": "Rows"}
napoleon_numpy_docstring = False
napoleon_use_rtype = False
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"

html_theme = "pydata_sphinx_theme"
html_title = "discbench"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_sidebars = {"**": ["pages.html"]}
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "navbar_center": [],
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
    "footer_start": [],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}

# Files beside docs/ that a page of the site holds: a link to the file on the forge is a link to that page here.
HELD = {"ARCHITECTURE": "architecture", "CHANGELOG": "changelog", "CONTRIBUTING": "contributing"}
CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")

# The annotations of hooks name types that hookspecs imports for type checkers only.
for _node in ast.walk(ast.parse(inspect.getsource(hookspecs))):
    if isinstance(_node, ast.ImportFrom) and str(_node.module).startswith("discbench."):
        for _alias in _node.names:
            setattr(hookspecs, _alias.name, getattr(importlib.import_module(str(_node.module)), _alias.name))


def fill_reference(_app: Any, docname: str, source: list[str]) -> None:  # noqa: ANN401 - Sphinx's application
    """Put what the program knows between the markers of the reference pages."""
    if docname == "reference/commands":
        source[0] = generate.fill(source[0], "commands", generate.commands_reference())
    if docname == "reference/hooks":
        source[0] = generate.fill(source[0], "hooks", generate.hooks_reference())


def link_to_pages(_app: Any, docname: str, source: list[str]) -> None:  # noqa: ANN401
    """Turn links to files beside docs/ into links to the pages that hold them."""
    up = "../" * docname.count("/")
    source[0] = re.sub(
        rf"\]\({re.escape(up)}\.\./({'|'.join(HELD)})\.md", lambda m: f"]({up}{HELD[m[1]]}.md", source[0]
    )


def read_docstring(_app: Any, what: str, _name: str, value: object, _options: object, lines: list[str]) -> None:  # noqa: ANN401
    """Make reStructuredText of our docstrings, which are plain text with code in single backticks."""
    if isinstance(value, discbench.Metric):  # a value has no docstring of its own
        better = "higher" if value.higher_is_better else "lower"
        beside = ", ".join(f"`{metric.name}`" for metric in value.companions)
        lines[:] = [f"{value.about}; {better} is better{f'; reported beside it: {beside}' if beside else ''}."]
    text = CODE.sub(r"``\1``", "\n".join(lines).replace("|", "\\|").replace("*", "\\*"))
    lines[:] = text.split("\n")
    if what in {"attribute", "data", "property"}:
        lines[:0] = ["..", ""]  # else napoleon takes what stands before a colon for a type


class NotYet(logging.Filter):
    """Let a pattern of the toctree name pages that are not written yet; Sphinx gives that warning no type."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record is to be shown."""
        return "toctree glob pattern" not in str(record.msg)


def setup(app: Any) -> None:  # noqa: ANN401
    """Connect what is above."""
    logging.getLogger("sphinx.sphinx.directives.other").addFilter(NotYet())
    app.connect("source-read", fill_reference)
    app.connect("source-read", link_to_pages)
    app.connect("autodoc-process-docstring", read_docstring, priority=400)  # before napoleon
