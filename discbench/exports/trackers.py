"""Experiment trackers, off by default: what a cell gave goes to trackio, wandb or TensorBoard through accelerate.

A plugin object for the event `discbench_cell_finished`, registered by `discbench eval --track NAME` only. Nothing of it
enters a cell's id or result; a tracker that fails stops tracking, not the sweep.
"""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pluggy

from discbench.errors import NoSuchName, UserError, did_you_mean
from discbench.plugins import registry
from discbench.plugins.hookspecs import hookimpl
from discbench.results.store import folder_name

Record = dict[str, Any]
PROJECT = "discbench"
TRACKERS = ("tensorboard", "trackio", "wandb")


def register(manager: pluggy.PluginManager, name: str, directory: Path) -> None:
    """Add a tracker to the plugins.

    Args:
        manager: The plugins.
        name: One of `TRACKERS`.
        directory: Where TensorBoard and wandb write; trackio has a place of its own.

    Raises:
        NoSuchName: No such tracker.
        UserError: Its library is not installed.
    """
    if name not in TRACKERS:
        raise NoSuchName(
            f"--track {name!r}: no such tracker{did_you_mean(name, TRACKERS, 'there are ' + ', '.join(TRACKERS))}"
        )
    if importlib.util.find_spec(name) is None:
        raise UserError(
            f"--track {name}: the package {name} is not installed; install it with `pip install {name}`, or discbench"
            f" with its extra: pip install 'discbench[{name}]'"
        )
    registry.register(manager, f"track-{name}", Tracking(name, directory))


class Tracking:
    """One tracker's run for each cell."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name, self.directory, self.broken = name, directory, False

    @hookimpl
    def discbench_cell_finished(self, result: Record) -> None:
        """Log a cell's configuration, curve and scores as a run of its own."""
        if self.broken:
            return
        try:
            self._log(result)
        except Exception as error:  # noqa: BLE001 - whatever a tracker raises, the sweep goes on
            self.broken = True
            cause = " ".join(str(error).split())[:300]
            sys.stderr.write(
                f"--track {self.name}: tracking stopped ({type(error).__name__}: {cause}); results are in the store\n"
            )

    def _log(self, result: Record) -> None:
        tracker = self._started(result)
        try:
            tracker.store_init_configuration(configuration(result))
            for step, values in steps(result):
                tracker.log(values, step=step)
            tracker.log(summary(result), step=len(result.get("curve", {}).get("loss", ())))
        finally:
            tracker.finish()

    def _started(self, result: Record) -> Any:  # noqa: ANN401 - accelerate's trackers
        from accelerate import PartialState
        from accelerate.tracking import LOGGER_TYPE_TO_CLASS

        if not PartialState._shared_state:  # noqa: SLF001 - the first one decides for the whole process
            PartialState(cpu=True)
        kind, name = LOGGER_TYPE_TO_CLASS[self.name], run_name(result)
        self.directory.mkdir(parents=True, exist_ok=True)
        if self.name == "tensorboard":
            tracker = kind(f"{PROJECT}/{name}", str(self.directory))
        elif self.name == "wandb":
            cell = result["cell"]
            tracker = kind(PROJECT, name=name, id=result["id"], group=cell["task"], dir=str(self.directory))
        else:
            tracker = kind(PROJECT, name=name, group=result["cell"]["task"])
        tracker.start()
        return tracker


def run_name(result: Record) -> str:
    """Return a cell's name among runs; its id keeps it apart from all others."""
    cell = result["cell"]
    words = (cell["checkpoint"], cell["task"], cell["init"], f"seed{cell['seed']}", result["id"])
    return "/".join(folder_name(str(word)) for word in words[:2]) + "/" + "-".join(words[2:])


def configuration(result: Record) -> Record:
    """Return what names the cell, flat: words, numbers and truth values only."""
    cell = {**result["cell"], **{f"recipe.{k}": v for k, v in result["cell"]["recipe"].items()}}
    flat = {k: v if isinstance(v, (str, int, float, bool)) else _text(v) for k, v in cell.items() if k != "recipe"}
    about = {name: result["task"][name] for name in ("metric", "higher_is_better") if name in result["task"]}
    return {
        **flat,
        "id": result["id"],
        "status": result["status"],
        "marks": _text(result["marks"]),
        **about,
    }


def _text(value: Any) -> str:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return ", ".join(f"{k}={v}" for k, v in sorted(value.items()))
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value).lower()


def steps(result: Record) -> list[tuple[int, Record]]:
    """Return (step, values) of the curve: training loss at every step, the primary metric at validations."""
    curve = result.get("curve")
    if curve is None:  # it failed
        return []
    held = dict(curve["validation"])
    name = f"validation/{result['task']['metric']}"
    return [
        (step, {"train/loss": loss, **({name: held[step]} if step in held else {})})
        for step, loss in enumerate(curve["loss"], start=1)
    ]


def summary(result: Record) -> Record:
    """Return what the cell ended with: scores, and what its gain is made of; of a failed one its cause."""
    if result["status"] != "finished":
        return {"failed": 1, "cause": result["cause"]}
    about, scores = result["task"], result["scores"]
    sign = 1.0 if about["higher_is_better"] else -1.0
    beyond = (
        {}
        if about["chance"] is None
        else {"test/above_chance": sign * (scores["test"][about["metric"]] - about["chance"])}
    )
    speed = result.get("dynamics") or {}
    return {
        **{f"{split}/{name}": value for split in ("test", "validation") for name, value in scores[split].items()},
        **beyond,
        **{f"dynamics/{name}": speed[name] for name in ("area", "final") if name in speed},
        "best_step": result["curve"]["best_step"],
        "collapsed": int(result["collapsed"]),
        "failed": 0,
        "seconds": result["run"]["seconds"],
    }
