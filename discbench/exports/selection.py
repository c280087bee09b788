"""What of a store is exported, and the words that all formats share."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from discbench.errors import UserError
from discbench.results import board, headline, rates
from discbench.results.store import Predictions, Store, folder_name
from discbench.values.checkpoints import told_apart
from discbench.values.rates import TUNED

Record = dict[str, Any]
Files = dict[str, bytes]
"""Path below --out -> content."""
MOST_SLUG = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The results to export, and the board of them."""

    results: list[Record]
    answers: Callable[[Record], Predictions]
    """The predictions of a result."""
    by_id: dict[str, Record]
    entries: list[Record]
    headlines: list[Record]
    left_out: tuple[str, ...] = ()
    """What was not taken, in words."""
    benchmark: str = ""
    """Id of the benchmark's dataset on the hub, for the formats that name one."""
    source_url: str = ""
    """Where the whole results are."""

    def result(self, cell: str) -> Record:
        """Return the result of a cell by its id."""
        return self.by_id[cell]

    def of(self, entry: Record, init: str) -> list[Record]:
        """Return the finished results of an entry's column, by seed."""
        ids = entry["inits"].get(init, {}).get("cells", {})
        return [self.result(ids[seed]) for seed in sorted(ids, key=int)]

    @property
    def ways(self) -> Iterator[tuple[Record, list[Record]]]:
        """Yield each way of running a checkpoint with its entries, baselines too, in the order of the board.

        Checkpoints of one name are told apart, so that no file of one takes the place of another's.
        """
        groups: dict[str, tuple[Record, list[Record]]] = {}
        names = told_apart((entry["checkpoint"], entry["revision"]) for entry in self.entries)
        for entry in self.entries:
            called = names[entry["checkpoint"], entry["revision"]]
            way = {name: entry[name] for name in headline.WAY} | {"checkpoint": called}
            groups.setdefault(repr(way), (way, []))[1].append(entry)
        yield from groups.values()


def select(
    store: Store, *, recipe: str | None, marked: bool, whole_only: bool, which: str | None = None, **hub: str
) -> Selection:
    """Read a store and build the board of what is to be exported.

    Args:
        store: Whose results.
        recipe: Only cells of this recipe (and baselines); None for all.
        marked: Whether marked cells are taken where a format cannot keep them apart.
        whole_only: Whether the format cannot keep failed and marked cells apart from whole ones.
        which: Only cells with rates of this kind, `default` or `tuned` (and baselines); None for all.
        hub: `benchmark` and `source_url`.

    Raises:
        UserError: Nothing is left to export.
    """
    results = [r for r in store.results() if recipe is None or r["cell"]["recipe"]["name"] in {recipe, "none"}]
    if which is not None:
        wanted = {TUNED if which == TUNED else None}
        results = [r for r in results if r["cell"].get("rate") in wanted or r["cell"]["recipe"]["name"] == "none"]
    asked = [f"of recipe {recipe!r}"] * bool(recipe) + [f"with rates {which!r}"] * bool(which)
    empty = " ".join(["it holds no cells", *asked])
    try:
        return selected(results, store.answers, marked=marked, whole_only=whole_only, **hub)
    except NothingLeft as error:
        raise UserError(f"nothing of {str(store.root)!r} can be exported: {str(error) or empty}") from None


class NothingLeft(Exception):  # noqa: N818 - it is what the name says
    """No result can be exported; its text says why, and is empty if there was none."""


def selected(
    results: Iterable[Record],
    answers: Callable[[Record], Predictions],
    *,
    marked: bool,
    whole_only: bool,
    benchmark: str = "",
    source_url: str = "",
) -> Selection:
    """Return what is to be exported of these results; see `select`.

    Raises:
        NothingLeft: Nothing.
    """
    results, _ = rates.apart(results)
    failed = [r for r in results if r["status"] != "finished"]
    kept = [r for r in results if r["status"] == "finished" and (marked or not r["marks"])] if whole_only else results
    count = len(results) - len(failed) - len(kept) if whole_only else 0
    left_out = [f"{len(failed)} failed cells"] * bool(failed and whole_only)
    left_out += [f"{count} marked cells (--allow-marked takes them)"] * bool(count)
    if not kept:
        raise NothingLeft(", ".join(left_out))
    made = board.build(kept)
    return Selection(
        results=kept,
        answers=answers,
        by_id={r["id"]: r for r in kept},
        entries=made["entries"],
        headlines=board.shown(made)["checkpoints"],
        left_out=tuple(left_out),
        benchmark=benchmark,
        source_url=source_url,
    )


def words(way: Record) -> list[str]:
    """Return what distinguishes a way of running a checkpoint, in a few words."""
    cut = [f"{way['fraction']:g} of train ({way['subset']})"] * (way["fraction"] < 1)
    cut += [f"limit {way['limit']}"] * (way["limit"] is not None)
    cut += ["at most " + "/".join(map(str, way["take"] or ())) + " rows"] * bool(way["take"])
    tuned = ["rate tuned"] * bool(way.get("rate"))
    held = [f"mapping seed {way['mapping_seed']}"] * (way["mapping_seed"] is not None)
    moved = ["specials moved"] * bool(way["map_specials"])
    return [
        f"recipe {way['recipe']}",
        *tuned,
        f"mapping {way['mapping']}",
        *moved,
        *held,
        *(f"{k}={v}" for k, v in sorted(way["changed"].items())),
        *cut,
        *(f"marked {mark}" for mark in way["marks"]),
    ]


def organised(way: Record) -> tuple[str, str]:
    """Return (organisation, model) of a way's checkpoint: catalogues of evaluations take no model without either.

    What has no organisation of its own gets one that is no claim: `discbench` for what is shipped, `local` for a
    directory, `hub` for a name without an owner. Both parts are safe as one folder.
    """
    name: str = way["checkpoint"]
    owner, _, model = name.partition("/")
    kind, _, shipped = name.partition(":")
    if owner.strip(". ") and model:
        return _plain(owner), _plain(model)
    if kind in {"builtin", "baseline"} and shipped:
        return "discbench", _plain(f"{kind}-{shipped}")
    return "local" if way["revision"].startswith("sha256-") else "hub", _plain(name)


def _plain(text: str) -> str:
    """Return text with `-` for what a folder's name cannot hold everywhere."""
    return re.sub(r"[^\w.+@=-]+", "-", text, flags=re.ASCII).strip("-. ") or "model"


def slug(way: Record) -> str:
    """Return a folder name for a way of running."""
    whole = folder_name("_".join(words(way)).replace(" ", "-"))
    if len(whole) <= MOST_SLUG:
        return whole
    return f"{whole[:MOST_SLUG]}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


def main_init(entry: Record) -> str | None:
    """Return the init whose score is the model's own: pretrained, or a baseline's; None if there is only a control."""
    return next((i for i in ("pretrained", "none", "frozen") if entry["inits"].get(i, {}).get("n")), None)


def finished_at(results: list[Record]) -> datetime:
    """Return when the last of these results was finished."""
    return max(datetime.fromisoformat(r["run"]["finished"]) for r in results)


def all_of(selection: Selection, entries: list[Record]) -> list[Record]:
    """Return the results behind these entries."""
    return [r for e in entries for init in e["inits"] for r in selection.of(e, init)]
