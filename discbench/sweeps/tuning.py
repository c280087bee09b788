"""Two stages of a sweep with tuned rates: cells of its searches, round by round, then runs at the rates they choose.

A sweep that asks for tuned rates holds runs at the recipe's own rate, as places for those that will be run.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from discbench.results import rates
from discbench.results.forms.records import Result, failed
from discbench.results.store import Store
from discbench.sweeps.search import diverged
from discbench.sweeps.sweep import Sweep
from discbench.training import ranks
from discbench.values.cells import Cell
from discbench.values.rates import SEARCH, SEEDS, TUNED


@dataclass(slots=True)
class Tuning:
    """The searches of a sweep, as far as the store knows them."""

    sweep: Sweep
    store: Store
    _acted: set[str] = field(default_factory=set)
    """Searches whose choice some finished run has."""

    @property
    def searched(self) -> bool:
        """Whether the sweep asks for any tuned rate."""
        return any(cell.rate == TUNED for cell in self.sweep.cells)

    def _places(self) -> dict[str, Cell]:
        """Return search -> one run that it is for."""
        return {rates.key(cell.record): cell for cell in self.sweep.cells if cell.rate == TUNED}

    def known(self) -> dict[str, rates.Search]:
        """Return search -> what the store's results say of it."""
        return {name: self._search(place) for name, place in self._places().items()}

    def _search(self, place: Cell) -> rates.Search:
        own, trials = rates.own(place.record), rates.Trials()
        while True:
            found = rates.search(own, trials)
            there = [
                (lr, seed, result)
                for lr, seed in found.missing
                if (result := self._result(_trial(place, lr, seed))) is not None
            ]
            if not there:
                return found
            for lr, seed, result in there:
                trials.setdefault(lr, {})[seed] = result

    def _result(self, cell: Cell) -> Result | None:
        """Return a cell's result; of one whose place holds no record of it, which is run no more, that it failed."""
        wrong = self.store.fault(cell)
        return self.store.get(cell) if wrong is None else failed(cell, wrong)

    def trials(self) -> list[Cell]:
        """Return the cells that the searches ask for by what is known, seed by seed."""
        known, places = self.known(), self._places()
        pairs = [(seed, name, lr) for name, found in known.items() for lr in found.rates for seed in SEEDS]
        return [_trial(places[name], lr, seed) for seed, name, lr in sorted(pairs, key=lambda pair: pair[0])]

    def settled(self, result: Result | None) -> bool:
        """Tell whether a failed cell of a search is not run again: it diverged, or its search was acted on."""
        return diverged(result) or (result is not None and rates.key(result["cell"]) in self._acted)

    def chosen(self) -> Sweep:
        """Return the sweep at the rates that the searches choose, without the runs for which there is none."""
        known = self.known()
        pairs = [(cell, known[rates.key(cell.record)] if cell.rate == TUNED else None) for cell in self.sweep.cells]
        cells = [at(cell, found.lr) if found and found.lr else cell for cell, found in pairs if not found or found.lr]
        return replace(self.sweep, cells=cells)

    def planned(self) -> tuple[list[Cell], set[str]]:
        """Return (cells of searches and runs, as far as they are known; the ids of runs whose rate is not chosen)."""
        known = self.known()
        runs = [(cell, known[rates.key(cell.record)].lr if cell.rate == TUNED else 0.0) for cell in self.sweep.cells]
        trials = self.trials() if self.searched else []
        return [*trials, *(at(cell, lr) if lr else cell for cell, lr in runs)], {c.id for c, lr in runs if lr is None}

    def notes(self) -> list[str]:
        """Return a line that says how many rates are still to be chosen, if any is."""
        known = self.known()
        left = sum(found.lr is None for found in known.values())
        more = "a best rate at the end of its grid adds cells"
        return [f"{left} of {len(known)} rates are not chosen yet; {more}"] if left else []

    def results(self) -> list[Result]:
        """Return the results of the searches' cells, and of the runs for which there is no rate, that they failed."""
        known = self.known()
        lacking = [
            failed(cell, _why(found))
            for cell in self.sweep.cells
            if cell.rate == TUNED and (found := known[rates.key(cell.record)]).lr is None
        ]
        return [*(result for cell in self.trials() if (result := self._result(cell)) is not None), *lacking]

    def carry_out(self, run: Callable[[Sweep, Callable[[Result | None], bool]], tuple[int, int]]) -> tuple[int, int]:
        """Run what the searches ask for, round by round; return (cells run, cells kept).

        `run` carries out one round: it is given the cells and `settled`, and returns the same counts.
        """
        runs = self.chosen().cells
        finished = (cell for cell in runs if cell.rate == TUNED and (result := self._result(cell)) and done(result))
        self._acted = {rates.key(cell.record) for cell in finished}
        asked, trained, kept, notes = set[str](), 0, 0, self.sweep.notes
        while fresh := [cell for cell in ranks.of_first(self.trials) if cell.id not in asked]:
            asked |= {cell.id for cell in fresh}
            ran, found = run(replace(self.sweep, cells=fresh, notes=notes), self.settled)
            trained, kept, notes = trained + ran, kept + found, ()
        return trained, kept


def done(result: Result) -> bool:
    """Tell whether a result is finished."""
    return bool(result["status"] == "finished")


def _trial(place: Cell, lr: float, seed: int) -> Cell:
    """Return the cell of a search at a rate and a seed."""
    return replace(at(place, lr), rate=SEARCH, seed=seed, mapping_seed=seed)


def at(cell: Cell, lr: float) -> Cell:
    """Return a cell at another rate."""
    return replace(cell, recipe={**cell.recipe, "lr": lr})


def _why(found: rates.Search) -> str:
    if found.missing:
        return f"{len(found.missing)} cells of the search for its rate have no result; run again"
    return f"no learning rate of {len(found.rates)} finished with every seed: {found.cause}"
