"""A plugin package from a template: one file of at most 30 lines that works, to be changed."""

import re
from importlib.resources import files
from pathlib import Path
from string import Template

from discbench.errors import UserError
from discbench.values.types import NAME, WORD
from discbench.values.version import __version__

FILES = {
    "pyproject.toml.tmpl": "pyproject.toml",
    "README.md.tmpl": "README.md",
    "plugin.py.tmpl": "{file}",
    "test_plugin.py.tmpl": "tests/test_{module}.py",
}
"""Template -> file of the package."""
MODULES = {"task": "{module}/__init__.py", "probe": "{module}.py"}
"""Kind -> its one module. That of a task is a folder: what lies in it, such as a table of rows, is packed with it."""


def write(kind: str, name: str, into: Path) -> Path:
    """Write a plugin package; return its folder.

    Args:
        kind: `task` or `probe`.
        name: Of a task `discipline.task`, of a probe one word, both in lower case.
        into: Where the folder `discbench-NAME` is made.

    Raises:
        UserError: The name has another form, or the folder holds something.
    """
    if kind == "task" and not NAME.fullmatch(name):
        raise UserError(f"task name {name!r}: 'discipline.task' in lower case was expected, for example rna.motif")
    if kind == "probe" and not WORD.fullmatch(name):
        raise UserError(f"probe name {name!r}: one word in lower case was expected, for example anisotropy")
    plugin = re.sub(r"[._]+", "-", name)
    package = f"discbench-{plugin}"
    folder, module = into / package, package.replace("-", "_")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{str(folder)!r} is there already and nothing was written; choose another --out or name")
    major, minor = (int(part) for part in __version__.split(".")[:2])
    words = {
        "name": name,
        "plugin": plugin,
        "package": package,
        "module": module,
        "file": MODULES[kind].format(module=module),
        "version": f"{major}.{minor}",
        "next": f"{major}.{minor + 1}",
    }
    for source, target in FILES.items():
        template = (files("discbench") / "plugins" / "templates" / kind / source).read_text(encoding="utf-8")
        path = folder / target.format(**words)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Template(template).substitute(words), encoding="utf-8")
    return folder
