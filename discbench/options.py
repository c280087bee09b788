"""Options that commands share, and what they mean."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from discbench.errors import UserError
from discbench.mapping import KINDS
from discbench.measurement import Probe
from discbench.plan import Request
from discbench.recipes import RECIPES
from discbench.types import Task

Command = Callable[..., Any]
DIRECTORY = click.Path(path_type=Path, file_okay=False)


def together(*options: Command) -> Command:
    """Return one decorator made of several options."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


data_options = together(
    click.option("--data-dir", type=DIRECTORY, help="Look for data files here first (else DISCBENCH_DATA)."),
    click.option(
        "--unverified", is_flag=True, help="Accept rows other than those a task names; their scores are marked."
    ),
)

what_options = together(
    click.option(
        "--model",
        "models",
        multiple=True,
        required=True,
        help="Hugging Face id[@revision], directory, NAME=DIRECTORY or builtin:tiny. Repeatable.",
    ),
    click.option(
        "--tasks", "patterns", multiple=True, required=True, help="Names, globs or disciplines, commas between."
    ),
    click.option(
        "--inits", default="pretrained,scratch", show_default=True, help="Of pretrained, scratch, reembedded, frozen."
    ),
    click.option("--seeds", default=3, show_default=True, help="How many seeds, from 0."),
    click.option("--recipe", default="paper", show_default=True, help=f"One of {', '.join(RECIPES)}."),
    click.option(
        "--set", "changes", multiple=True, metavar="FIELD=VALUE", help="Change a field of the recipe. Repeatable."
    ),
    click.option("--mapping", help=f"Instead of each task's own: one of {', '.join(KINDS)}."),
    click.option(
        "--mapping-seed",
        "mapping_seeds",
        metavar="N[,N]",
        help="Of the mapping tables, crossed with the seeds; by default each run's own seed draws its table.",
    ),
    click.option(
        "--map-specials/--keep-specials",
        default=None,
        help="Whether the table moves [CLS], [SEP] and padding too; by default as each task says (symbols: kept).",
    ),
    click.option("--fraction", type=float, default=1.0, show_default=True, help="Share of the train rows."),
    click.option(
        "--subset", default="drawn", show_default=True, help="Which share: drawn for each seed, or the first rows."
    ),
    click.option("--limit", type=int, help="At most so many rows of every split; such scores are marked."),
    click.option(
        "--special",
        "specials",
        multiple=True,
        metavar="cls|sep|pad=ID",
        help="Special ids of a checkpoint without a tokenizer.",
    ),
    click.option("--trust-remote-code", is_flag=True, help="Run code that comes with a checkpoint."),
    click.option("--results", type=DIRECTORY, default=Path("results"), show_default=True, help="The store."),
    click.option("--device", default=None, help="cpu or cuda; by default what is there."),
    click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout."),
    data_options,
)


def request_of(
    *,
    inits: str = "pretrained,scratch",
    seeds: int = 3,
    recipe: str = "paper",
    changes: tuple[str, ...] = (),
    limit: int | None = None,
    mapping: str | None = None,
    mapping_seeds: str | None = None,
    map_specials: bool | None = None,
    fraction: float = 1.0,
    subset: str = "drawn",
) -> Request:
    """Read the options that make up a request."""
    if seeds < 1:
        raise UserError(f"--seeds {seeds}: no seed, no cell; give 1 or more")
    if limit is not None and limit < 1:
        raise UserError(f"--limit {limit}: no row, no score; give 1 or more")
    overrides = {}
    for change in changes:
        field, sign, value = change.partition("=")
        if not sign:
            raise UserError(f"--set {change!r}: FIELD=VALUE was expected, for example --set lr=5e-5")
        overrides[field] = value
    names = tuple(dict.fromkeys(name.strip() for name in inits.split(",") if name.strip()))
    if not names:
        raise UserError("--inits is empty; give pretrained, scratch, reembedded or frozen, commas between")
    return Request(
        inits=names,
        seeds=tuple(range(seeds)),
        recipe=recipe,
        overrides=overrides,
        limit=limit,
        mapping=mapping,
        mapping_seeds=_mapping_seeds(mapping_seeds),
        map_specials=map_specials,
        fraction=fraction,
        subset=subset,
    )


REQUEST = (
    "inits",
    "seeds",
    "recipe",
    "changes",
    "limit",
    "mapping",
    "mapping_seeds",
    "map_specials",
    "fraction",
    "subset",
)
"""The options that make up a request, by the names that `request_of` takes them under."""


def _mapping_seeds(text: str | None) -> tuple[int, ...]:
    parts = [part.strip() for part in (text or "").split(",") if part.strip()]
    if not all(part.isdigit() for part in parts):
        raise UserError(f"--mapping-seed {text!r}: whole numbers from 0 with commas between were expected")
    return tuple(dict.fromkeys(int(part) for part in parts))


def data_directory(given: Path | None) -> Path | None:
    """Return the data directory, by option or environment.

    Raises:
        UserError: It does not exist.
    """
    named = given or (Path(os.environ["DISCBENCH_DATA"]) if os.environ.get("DISCBENCH_DATA") else None)
    if named is not None and not named.is_dir():
        raise UserError(f"data directory {str(named)!r} does not exist; correct --data-dir or DISCBENCH_DATA")
    return named


def device_of(given: str | None) -> str:
    """Return `cpu`, or `cuda` where a device is there."""
    if given is not None and given not in {"cpu", "cuda"}:
        raise UserError(f"--device {given!r}: cpu or cuda was expected")
    there = Path("/dev/nvidia0").exists()
    if given == "cuda" and not there:
        raise UserError("--device cuda: this machine shows no NVIDIA device; leave --device out")
    return given or ("cuda" if there else "cpu")


def listed(one_or_more: Any) -> tuple[Any, ...]:  # noqa: ANN401 - a value or a sequence of them
    """Return values as a tuple: a name, a path, a task and a probe are one value each."""
    return (one_or_more,) if isinstance(one_or_more, str | Path | Task | Probe) else tuple(one_or_more)


def seeds_of(given: int | Sequence[int]) -> tuple[int, ...]:
    """Return so many seeds from 0, or those that are named.

    Raises:
        UserError: One that is no whole number from 0.
    """
    if isinstance(given, int):
        return tuple(range(given))
    strange = [seed for seed in given if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0]
    if strange:
        raise UserError(f"seed {strange[0]!r}: whole numbers from 0 were expected")
    return tuple(dict.fromkeys(given))
