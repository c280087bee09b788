"""What a task's rows come from, beside the files that `fetch` and `local` hand out: code, and what it opened by path.

The cache of rows asks it whether an entry is still what `load()` would give. Not to be known from here: what was read
over a network, by another process, by a C library that opens files itself, or from the environment.
"""

import ast
import hashlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

BEGAN = time.time_ns()
"""About when this process began: code that was changed later may not be the code that runs in it."""
OURS = ("discbench.data", "discbench.values", "discbench.tasks", "discbench.errors")
"""What of this package can change rows."""
FOREIGN = {"site-packages", "dist-packages"}
SYSTEM = ("/proc/", "/dev/", "/sys/")
IMPORTS = ("<frozen importlib", "<frozen zipimport")
ADDRESS = re.compile(r" at 0x[0-9a-f]+")
LISTS = {"os.listdir", "os.scandir"}
DEEPEST = 6


class Watch:
    """The paths that are opened for reading, or listed, while someone watches; imports are left out.

    An audit hook cannot be removed, so a process has one, and it notes nothing while nobody watches.
    """

    def __init__(self) -> None:
        self._notes: list[set[str]] = []
        self._hooked = False

    @contextmanager
    def watching(self) -> Iterator[set[str]]:
        """Note into the set that is given, until the block ends."""
        if not self._hooked:
            sys.addaudithook(self._hear)
            self._hooked = True
        found: set[str] = set()
        self._notes.append(found)
        try:
            yield found
        finally:
            self._notes = [note for note in self._notes if note is not found]

    def _hear(self, event: str, given: tuple[Any, ...]) -> None:
        if not self._notes or not (event == "open" or event in LISTS):
            return
        if event == "open" and not _reads(given[2]):
            return
        path = "." if given[0] is None else given[0]
        if isinstance(path, int) or sys._getframe(1).f_code.co_filename.startswith(IMPORTS):  # noqa: SLF001 - who opens it is nowhere else
            return
        whole = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - no object for each of many files
        if not whole.startswith(SYSTEM):
            for note in self._notes:
                note.add(whole)


def _reads(flags: int) -> bool:
    """Tell whether a file is opened for reading what is there already: a lock or a new file is not."""
    return flags & os.O_ACCMODE != os.O_WRONLY and not flags & (os.O_CREAT | os.O_TRUNC)


opened = Watch().watching


def described(load: Callable[..., Any]) -> str:
    """Return a hash of a function, its files and what is bound to it: arguments, enclosed values, an instance."""
    return hashlib.sha256(repr(list(_parts(load))).encode("utf-8", "surrogatepass")).hexdigest()


def _parts(value: Any, depth: int = 0) -> Iterator[Any]:  # noqa: ANN401 - whatever is bound to a function
    if isinstance(value, FunctionType):
        yield value.__module__, value.__qualname__, _file(sys.modules.get(value.__module__)), _code(value.__code__)
    elif not depth or _plain(value):
        yield type(value).__module__, type(value).__qualname__, _file(sys.modules.get(type(value).__module__))
    bound = list(_bound(value))
    if not bound and not isinstance(value, FunctionType):
        yield _shown(value)
    if depth < DEEPEST:
        for each in bound:
            yield from _parts(each, depth + 1)


def _bound(value: Any) -> Iterator[Any]:  # noqa: ANN401 - as above
    if isinstance(value, partial):
        yield from (value.func, *value.args, *(part for pair in sorted(value.keywords.items()) for part in pair))
    elif isinstance(value, MethodType):
        yield from (value.__func__, value.__self__)
    elif isinstance(value, FunctionType):
        yield from (cell.cell_contents for cell in value.__closure__ or () if _filled(cell))
        yield from value.__defaults__ or ()
    elif _plain(value):
        yield from (part for pair in sorted(getattr(value, "__dict__", {}).items()) for part in pair)


def _plain(value: object) -> bool:
    """Tell whether a value's text is its address, so that what is bound to it says more."""
    return getattr(type(value), "__repr__", None) is object.__dict__["__repr__"]


def _filled(cell: Any) -> bool:  # noqa: ANN401 - a cell has no public type
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _code(code: CodeType) -> list[Any]:
    return [
        code.co_code.hex(),
        code.co_names,
        [_code(const) if isinstance(const, CodeType) else _shown(const) for const in code.co_consts],
    ]


def _shown(value: Any) -> str:  # noqa: ANN401 - as above
    """Return a value's text, the same in every process."""
    text = repr(sorted(map(repr, value))) if isinstance(value, set | frozenset) else repr(value)
    return ADDRESS.sub("", text)


def code_of(load: Callable[..., Any]) -> list[Path]:
    """Return the files of a function's module, and of the modules that it imports, and so on.

    Followed are modules of its own package, files that lie beside its own, and whatever is in no folder of installed
    packages; of other packages and of this one the modules that are imported, but not what those import. To be called
    after the function, which may import more.
    """
    files = {name: Path(file) for name in _modules(load) if (file := _file(sys.modules.get(name)))}
    reader = next(iter(files), "")
    tops = {name.split(".")[0] for name, file in files.items() if name == reader or not FOREIGN & set(file.parts)}
    tops -= {"discbench"}
    beside = {file.parent for file in files.values()}
    waiting = sorted({*files, *(name for name in sys.modules if name.split(".")[0] in tops)})
    seen, found = set(waiting), set()
    while waiting:
        name = waiting.pop()
        module = sys.modules[name]
        file = _file(module)
        if file is None or _left_out(name):
            continue
        found.add(Path(file))
        if name.split(".")[0] in tops or _is_own(name, Path(file), beside):
            new = {each for each in _imported(module, Path(file)) if each in sys.modules} - seen
            seen |= new
            waiting += sorted(new)
    return sorted(found)


def _modules(value: Any, depth: int = 0) -> Iterator[str]:  # noqa: ANN401 - as above
    """Yield the modules of a function and of the functions and instances that are bound to it, its own first."""
    if isinstance(value, FunctionType):
        yield value.__module__
    elif _plain(value) and not isinstance(value, MethodType | partial):
        yield type(value).__module__
    if depth < DEEPEST:
        for each in _bound(value):
            yield from _modules(each, depth + 1)


def _left_out(name: str) -> bool:
    top = name.split(".", maxsplit=1)[0]
    own = any(name == part or name.startswith(f"{part}.") for part in OURS)
    return not own if top == "discbench" else top in sys.stdlib_module_names


def _is_own(name: str, file: Path, beside: set[Path]) -> bool:
    return name.startswith("discbench.") or not FOREIGN & set(file.parts) or ("." not in name and file.parent in beside)


def _file(module: ModuleType | None) -> str | None:
    """Return the file that a module was read from; of one in a zip archive the archive."""
    archive = getattr(getattr(module, "__loader__", None), "archive", None)
    found = archive if isinstance(archive, str) else getattr(module, "__file__", None)
    return found if isinstance(found, str) else None


def _imported(module: ModuleType, file: Path) -> Iterator[str]:
    """Yield the names of modules that a source imports, wherever the import stands, and of the packages around them."""
    try:
        tree = ast.parse(file.read_bytes()) if file.suffix == ".py" else None
    except (OSError, SyntaxError, ValueError):
        return
    package = (getattr(module, "__package__", None) or "").split(".")
    for node in ast.walk(tree) if tree else ():
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            around = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*around, *([node.module] if node.module else [])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[: end + 1]) for end in range(len(parts)))


def changed_since_began(files: list[Path]) -> bool:
    """Tell whether code was changed after this process began, so that it may run what is no longer there."""
    return any(path.stat().st_mtime_ns > BEGAN for path in files if path.exists())
