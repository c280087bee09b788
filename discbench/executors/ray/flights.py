"""Cells on their way: handed out as there is room, stored when they are back, tried again when they are lost."""

import contextlib
import itertools
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from discbench.errors import UserError
from discbench.executors.ray import cluster, node, parcels
from discbench.executors.ray.asked import TRIES, Asked, ClusterLost, Lost
from discbench.executors.ray.parcels import Parcel
from discbench.results.forms.records import Result
from discbench.results.locks.holding import Hold
from discbench.results.store import Store
from discbench.values.cells import Cell
from discbench.values.checkpoints import Checkpoint
from discbench.values.jobs import Event, Job
from discbench.values.place import Place, pack, unpack
from discbench.values.types import Task

PULSE = 0.3
"""Seconds between two looks at what has come back."""
LOOK = 2.0
"""Seconds between two looks at which nodes are there, and at cells that other processes hold."""
ARRIVAL = 60.0
"""Seconds in which nodes that have room for a cell may come to a cluster that was given."""
Tell = Callable[[Event | Lost], None]


@dataclass
class Flight:
    """An attempt at a cell, which is held as long as it lasts."""

    job: Job
    cell: Cell
    ticket: int
    hold: Hold
    told: bool = False
    node: str = ""
    """Ray's id of the node that it began on."""
    where: str = ""
    stranded: bool = False
    """Whether its node was gone at the last look."""


class Flights:
    """The cells of a sweep on one cluster.

    Args:
        tell: Takes events, and attempts that were lost.
        place: Where results go.
        asked: How cells run.
        bench: Has looked at the checkpoints.
        tasks: By id.
        tries: Attempts that were lost before, by cell id.
    """

    def __init__(
        self,
        tell: Tell,
        place: Place,
        asked: Asked,
        bench: Any,  # noqa: ANN401 - training's, which loads torch
        tasks: dict[str, Task],
        tries: Counter[str],
    ) -> None:
        import ray

        self.tell, self.place, self.asked, self.bench, self.tasks, self.tries = tell, place, asked, bench, tasks, tries
        self.store, self.sweep = Store(place.results), secrets.token_hex(8)
        self.holds = self.store.holds
        self.flying: dict[Any, Flight] = {}
        self.tickets = itertools.count()
        self.parcels: dict[Any, Parcel] = {}
        self.sent: dict[Checkpoint, Parcel] = {}
        self.perform = ray.remote(max_retries=0, **asked.resources)(node.perform)
        self.here = ray.get_runtime_context().get_node_id()
        self.ear, self.hearing = self._new_ear(), list[Any]()
        self.looked, self.space, self.empty_since = 0.0, 0, time.monotonic()
        self.nodes = frozenset[str]()

    def all(self, jobs: Sequence[Job]) -> None:
        """Run cells until each has an end.

        Raises:
            ClusterLost: The cluster is gone.
            UserError: No node has what a cell needs.
        """
        import ray

        waiting, held = [job for job in jobs if not self._spent(job)], list[Job]()
        try:
            while waiting or held or self.flying:
                if self._look():
                    waiting, held = [*self._stranded(), *waiting, *held], []
                while waiting and len(self.flying) < self._most():
                    job = waiting.pop(0)
                    if not self._send(job):
                        held.append(job)
                done = self._landed()
                waiting = [*filter(None, map(self._land, done)), *waiting]
                self._listen()
        finally:
            for ref in self.flying:
                with contextlib.suppress(Exception):
                    ray.cancel(ref, force=True)
            for flight in self.flying.values():
                flight.hold.release()

    def _spent(self, job: Job) -> bool:
        """End a cell that was tried often enough, when the machine that drove it was lost."""
        if job.cell is None or self.tries[job.cell.id] < TRIES:
            return False
        self._fail(job.cell, f"the cluster was lost {TRIES} times while it ran")
        return True

    def _most(self) -> int:
        """Return how many cells may be on their way: as many again as there is room for wait at the door."""
        return self.asked.workers or max(1, 2 * self.space)

    def _look(self) -> bool:
        """Look at the nodes every while; tell whether this was such a time."""
        now = time.monotonic()
        if now - self.looked < LOOK:
            return False
        self.looked, self.nodes = now, frozenset(each["NodeID"] for each in cluster.alive())
        if self.here not in self.nodes:
            raise ClusterLost("the raylet of the machine that ran the sweep died")
        self.space = cluster.room(self.asked)
        if self.space:
            self.empty_since = now
        elif not self.flying or now - self.empty_since > ARRIVAL:
            self._no_room(now)
        return True

    def _stranded(self) -> list[Job]:
        """Return jobs to try again, whose node was gone at this look and at the one before.

        Ray 2.60.0 tells of a node that is switched off within seconds. Where a node's network fails it takes the node
        out after a minute, but lets the task wait five minutes more, for its connection to be tried.
        """
        gone = {ref: flight for ref, flight in self.flying.items() if flight.node and flight.node not in self.nodes}
        again = [self._again(ref, cluster.node_lost(flight.where)) for ref, flight in gone.items() if flight.stranded]
        for flight in gone.values():
            flight.stranded = True
        return [job for job in again if job is not None]

    def _no_room(self, now: float) -> None:
        if self.asked.address is None or now - self.empty_since > ARRIVAL:
            needs = ", ".join(f"{name} {amount:g}" for name, amount in self.asked.needs.items())
            raise UserError(
                f"--executor ray: a cell needs {needs}, but no node has that much ({cluster.has(self.asked)}); ask for"
                " less with --gpus-per-cell or --threads, or add a node"
            )

    def _send(self, job: Job) -> bool:
        """Hand a cell out, or take it from the store; False where another process's is waited for."""
        cell = job.cell
        assert cell is not None
        hold, known = None, self.store.settled(cell, job.planned)
        if known is None:
            hold, known = self.holds.take(cell, self.asked.device), self.store.settled(cell, job.planned)
        if hold is not None and known is None:
            self._depart(Flight(job, cell, next(self.tickets), hold))
            return True
        if hold is not None:
            hold.release()
        if self.place.passing:
            self.tell(Event("start", cell))
            self.tell(Event("passed", cell))
        elif known is not None:
            self._told(cell, known)
        return known is not None or self.place.passing

    def _depart(self, flight: Flight) -> None:
        try:
            ref = self.perform.options(name=flight.cell.words).remote(self._order(flight), self.ear)
        except BaseException:
            flight.hold.release()
            raise
        self.flying[ref] = flight

    def _order(self, flight: Flight) -> node.Order:
        job, cell = flight.job, flight.cell
        return node.Order(
            sweep=self.sweep,
            ticket=flight.ticket,
            cell=cell,
            checkpoint=job.checkpoint,
            place=replace(self.place, given=b"", passing=False, devices=()),
            threads=self.asked.threads,
            gpus=self.asked.gpus,
            tasks=self._parcel("tasks", self._tasks),
            rows=self._parcel(cell.task, lambda: self.bench.rows_of(self.tasks[cell.task])),
            known=self._parcel(job.checkpoint, lambda: self.bench.known(job.checkpoint)),
            files=self.sent.get(job.checkpoint),
        )

    def _tasks(self) -> tuple[bytes, bytes]:
        """Return the tasks of the sweep as bytes: plugins' by name, those that were given by value."""
        given = {task.id for task in unpack(self.place.given)}
        return pack(tuple(task for name, task in self.tasks.items() if name not in given)), self.place.given

    def _parcel(self, what: Any, content: Callable[[], Any]) -> Parcel:  # noqa: ANN401 - any key
        """Return something in Ray's object store, put there once."""
        import ray

        if what not in self.parcels:
            packed, sha256 = parcels.packed(content())
            self.parcels[what] = Parcel(ray.put(packed), sha256)
        return self.parcels[what]

    def _landed(self) -> list[Any]:
        """Return what has come back, after a while at most."""
        import ray

        if not self.flying:
            time.sleep(PULSE)
            return []
        done: list[Any]
        done, _ = ray.wait(list(self.flying), num_returns=len(self.flying), timeout=PULSE, fetch_local=True)
        return done

    def _land(self, ref: Any) -> Job | None:  # noqa: ANN401 - Ray's
        """Take what has come back; return the job if it is to be tried again."""
        import ray

        flight = self.flying[ref]
        self._listen()
        try:
            answer = ray.get(ref)
        except ray.exceptions.RayError as error:
            return self._lost(ref, error)
        if answer.needs_files and flight.job.checkpoint not in self.sent:
            files, sha256 = parcels.files_of(flight.job.checkpoint)
            self.sent[flight.job.checkpoint] = Parcel(ray.put(files), sha256)
        if not answer.needs_files:
            self.store.put(flight.cell, answer.result, answer.predictions)
            self._told(flight.cell, self.store.get(flight.cell) or answer.result, flight)
        self._close(ref)
        return flight.job if answer.needs_files else None

    def _lost(self, ref: Any, error: Exception) -> Job | None:  # noqa: ANN401 - Ray's
        cause = cluster.cause(error, self.flying[ref].where)
        if cluster.local_raylet_died(error):
            self.tell(Lost(self.flying[ref].cell, cause))
            raise ClusterLost(cause) from error
        return self._again(ref, cause)

    def _again(self, ref: Any, cause: str) -> Job | None:  # noqa: ANN401 - Ray's
        """Give an attempt up; return its job if it is to be tried again, else its cell has failed."""
        import ray

        flight = self.flying[ref]
        self._close(ref)
        with contextlib.suppress(Exception):
            ray.cancel(ref, force=True)
        self.tell(Lost(flight.cell, cause))
        self.tries[flight.cell.id] += 1
        if self.tries[flight.cell.id] < TRIES:
            return flight.job
        self._fail(flight.cell, cause, flight)
        return None

    def _close(self, ref: Any) -> None:  # noqa: ANN401 - Ray's
        self.flying.pop(ref).hold.release()

    def _fail(self, cell: Cell, cause: str, flight: Flight | None = None) -> None:
        self._told(cell, self.store.fail(cell, f"{cause} ({TRIES} tries)"), flight)

    def _told(self, cell: Cell, result: Result, flight: Flight | None = None) -> None:
        """Tell that a cell has ended, and before it that it started, if nobody has."""
        if flight is None or not flight.told:
            self.tell(Event("start", cell))
        self.tell(Event("end", cell, result=result))

    def _new_ear(self) -> Any:  # noqa: ANN401 - Ray's handle of an actor
        """Return an ear on this very machine, which is started again should it be killed."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        beside = NodeAffinitySchedulingStrategy(node_id=self.here, soft=False)
        kind: Any = ray.remote(num_cpus=0, max_restarts=-1)(node.Ear)
        return kind.options(scheduling_strategy=beside).remote()

    def _listen(self) -> None:
        """Pass on what the ear has heard; without it, cells go on untold."""
        import ray

        self.hearing = self.hearing or [self.ear.take.remote()]
        ready, self.hearing = ray.wait(self.hearing, timeout=1)
        if not ready:  # it is heard the next time
            return
        try:
            heard = ray.get(ready[0])
        except ray.exceptions.RayError:
            return
        for flight in self.flying.values():
            said = heard.get(flight.ticket, {})
            if "start" in said:
                flight.node, flight.where = said["start"]
            if said and not flight.told:
                flight.told = True
                self.tell(Event("start", flight.cell))
            if "step" in said:
                flight.hold.tell(*said["step"])
                self.tell(Event("step", flight.cell, *said["step"]))
