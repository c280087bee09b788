"""Options as click takes them, made from the fields of `values.asked`."""

from collections.abc import Callable, Sequence
from dataclasses import Field
from pathlib import Path
from typing import Any

import click

from discbench.values.asked import Evaluation, Probing, Surroundings, questions

Command = Callable[..., Any]
DIRECTORY = click.Path(path_type=Path, file_okay=False)
TYPES = {"whole": int, "number": float, "text": str, "words": str, "wholes": str, "": str, "folder": DIRECTORY}
RAY = ("address", "gpus_per_cell")
SLURM = ("partition", "time", "gpus_per_node", "cells_per_job", "sbatch", "detach")
RUNNING = (
    "workers", "threads", "devices", "per_device", "checkpoint_minutes", "retry_failed", "executor", *SLURM, *RAY,
    "track", "track_dir", "verbose",
)  # fmt: skip
"""Of an evaluation, what only matters where cells are run."""


def together(*options: Command) -> Command:
    """Return one decorator made of several options."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def asked_options(kind: type[Surroundings], *, without: Sequence[str] = ()) -> Command:
    """Return the options of a kind of question, named as its fields, and `--json`."""
    made = [_option(asked) for asked in questions(kind) if asked.name not in {"stream", *without}]
    return together(*made, click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout."))


def _option(asked: "Field[Any]") -> Command:
    about = dict(asked.metadata)
    flag = about.get("flag", f"--{asked.name.replace('_', '-')}")
    more: dict[str, Any] = {"help": about["about"], "required": about.get("required", False)}
    if about["kind"] == "yes":
        more |= {"default": asked.default} if "/" in flag else {"is_flag": True}
        return click.option(flag, asked.name, **more)
    if "least" in about:
        more["type"] = click.IntRange(about["least"])
    else:
        more["type"] = TYPES[about["kind"]]
    if asked.default == ():
        more["multiple"] = True
    elif not more["required"]:
        more |= {"default": _written(asked.default), "show_default": bool(asked.default)}
    return click.option(flag, asked.name, metavar=about.get("metavar"), **more)


def _written(default: object) -> object:
    return ",".join(map(str, default)) if isinstance(default, tuple) else default


what_options = asked_options(Evaluation, without=RUNNING)
"""What to evaluate, without how it is run."""
run_options = asked_options(Evaluation)
probe_options = asked_options(Probing)


def own_option(name: str, kind: type[Surroundings] = Evaluation) -> Command:
    """Return one option of a kind of question, for a command that takes few of them."""
    return next(_option(asked) for asked in questions(kind) if asked.name == name)


data_options = together(own_option("data_dir"), own_option("unverified"))
