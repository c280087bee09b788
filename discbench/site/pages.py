"""The static site: a pure function of a board. Same board, same bytes; it opens from a file, without a network."""

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from discbench.errors import StoreError, UserError
from discbench.plugins.suites import Suite
from discbench.results import board as boards
from discbench.results import published
from discbench.results.forms.records import PassedOver, Unreadable, read_json
from discbench.results.store import Store, write_whole
from discbench.site import beside, picture, views
from discbench.words.names import printable

Record = dict[str, Any]
HERE = Path(__file__).parent
FIGURES_UP_TO = 100
"""With more checkpoints no charts are drawn unless they are asked for: each takes about a twentieth of a second."""


def read(
    source: Path,
    named: Mapping[str, str | None] | None = None,
    suites: tuple[Suite, ...] = (),
    said: Mapping[str, Record] | None = None,
    passed: PassedOver | None = None,
) -> Record:
    """Return the board of a results store, or of a directory that holds a leaderboard.json.

    Args:
        source: The directory.
        named: As of `Store`.
        suites: Of which a store's board has tables.
        said: What tasks say of themselves (`cells.said`), by id, for a store's board.
        passed: As of `Store`.

    Raises:
        UserError: Neither is there, or the file is of another version.
    """
    path = source / "leaderboard.json"
    if not os.path.lexists(path):
        store = Store(source, named, passed)
        made = boards.build(store.results(), store.probes(), suites, said) if source.is_dir() else {}
        if not made.get("entries") and not made.get("probes"):
            raise UserError(
                f"--from {str(source)!r} holds no results; give a store, or a directory with leaderboard.json"
            )
        return made
    try:
        made = read_json(path)
    except Unreadable as error:
        raise StoreError(f"{path} {error}; make it anew with `discbench board --out`") from error
    found = (made.get("format"), made.get("version")) if isinstance(made, dict) else None
    if found != ("discbench-leaderboard", boards.VERSION):
        raise StoreError(
            f"{path} is no discbench leaderboard of version {boards.VERSION}; make it anew with `discbench board --out`"
        )
    return dict(made)


def check(source: Path, board: Record) -> None:
    """See that a leaderboard.json is as `discbench board` writes it; this takes seconds for a large one.

    Raises:
        StoreError: It is not, with the first place.
    """
    import jsonschema

    schema = json.loads(boards.SCHEMA.read_text(encoding="utf-8"))
    for wrong in jsonschema.Draft202012Validator(schema).iter_errors(board):
        found = f"{printable(wrong.json_path, 100)}: {printable(wrong.message)}"
        raise StoreError(
            f"{source / 'leaderboard.json'} is not as `discbench board` writes it ({found}); make it anew with"
            " `discbench board --out`"
        )


def build(board: Record, out: Path, *, figures: bool | None = None) -> list[Path]:
    """Write the site and return its files.

    Args:
        board: As `discbench.results.board.build` makes it.
        out: Directory to write to.
        figures: Whether to draw charts; by default for boards of up to `FIGURES_UP_TO` checkpoints.

    Raises:
        UserError: The packages of the extra `site` are not installed, or `out` cannot be written.
    """
    files = render(board, figures=figures)
    try:
        for name, content in files.items():
            write_whole(out / name, content)
    except OSError as error:
        raise UserError(f"--out {str(out)!r} cannot be written ({error.strerror}); choose another directory") from error
    return [out / name for name in files]


def render(board: Record, *, figures: bool | None = None) -> dict[str, bytes]:
    """Return the files of the site by name; see `build`.

    Raises:
        UserError: The packages of the extra `site` are not installed.
    """
    environment, whole = _environment(), boards.to_bytes(board)
    board = json.loads(whole)  # in one order, so that a store's board and that of a file give the same bytes
    shown = boards.shown(board)
    names = {(e["checkpoint"], e["revision"]) for e in shown["entries"]} | {
        (p["probe"]["model"]["checkpoint"], p["probe"]["model"]["revision"]) for p in shown["probes"]
    }
    drawn = len(names) <= FIGURES_UP_TO if figures is None else figures
    pages = {
        "index.html": ("index.html", views.index(shown, figures=drawn)),
        "compare.html": ("compare.html", {"title": "Two checkpoints", "sides": beside.sides(shown)}),
    }
    for checkpoint, revision in sorted(names):
        view = views.checkpoint(shown, checkpoint, revision, figures=drawn)
        pages[views.checkpoint_file(checkpoint, revision)] = ("checkpoint.html", view)
    for task in sorted({e["task"] for e in board["entries"]}):
        pages[views.task_file(task)] = ("task.html", views.task(shown, task, figures=drawn))
    made = {name: environment.get_template(form).render(**view).encode() for name, (form, view) in pages.items()}
    return {
        **made,
        **_alone(pages["index.html"][1]["glance"]),
        "leaderboard.json": whole,
        boards.SCHEMA.name: boards.SCHEMA.read_bytes(),
    }


def _alone(figure: str | None) -> dict[str, bytes]:
    """Return the figure of all suites as files for light and dark pages: a README gives its pictures no colour."""
    if figure is None:
        return {}
    inks = picture.INK.items()
    return {f"suites-{theme}.svg": figure.replace("currentColor", ink).encode() for theme, ink in inks}


def pictures(board: Record, out: Path) -> list[Path]:
    """Draw a board of one checkpoint, run one way, for a README: `board-light.svg` and `board-dark.svg`.

    Raises:
        UserError: The extra `site` is not installed, the board holds something else, or `out` cannot be written.
    """
    _environment()
    ways = {(e["checkpoint"], e["revision"], *(str(e[name]) for name in boards.WAY)) for e in board["entries"]}
    if len(ways) != 1:
        raise UserError(
            f"--svg draws one checkpoint, run one way, but the store holds {len(ways)}; give a store of one evaluation"
        )
    paths = {theme: out / f"board-{theme}.svg" for theme in picture.INK}
    try:
        for theme, path in paths.items():
            write_whole(path, picture.board(board["entries"], theme).encode())
    except OSError as error:
        raise UserError(f"--svg {str(out)!r} cannot be written ({error.strerror}); choose another directory") from error
    return list(paths.values())


@cache
def _environment() -> Any:  # noqa: ANN401 - jinja2's
    try:
        import jinja2
        import vl_convert  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"the site needs the package {error.name!r}, which is not installed; install discbench with its extra:"
            " pip install 'discbench[site]'"
        ) from None
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    style = (HERE / "assets" / "site.css").read_text(encoding="utf-8")
    script = (HERE / "assets" / "board.js").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; base-uri 'none'"
    )
    found.globals |= {"style": style, "script": script, "policy": policy, "paper": published.read()["cite"]}
    found.filters |= {"score": views.score, "signed": views.signed, "interval": views.interval, "data": _data}
    found.filters["by_seed"] = lambda scores: sorted(scores.items(), key=lambda item: int(item[0]))
    return found


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _data(value: object) -> str:
    """Return JSON that can stand inside a script element."""
    text = json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
