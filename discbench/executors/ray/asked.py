"""What is asked of Ray, and what its driver tells: values."""

from dataclasses import dataclass
from typing import Any

from discbench.errors import UserError
from discbench.values.cells import Cell
from discbench.values.place import Place, pretended

MOST_GPUS = 1024
TRIES = 3
"""How often a cell is tried: a worker that is killed, a node that is lost."""


class Unreachable(UserError):  # noqa: N818 - it is what the name says
    """No cluster could be started or joined."""


class ClusterLost(Exception):  # noqa: N818 - it is what the name says
    """The cluster that was joined is gone, as far as this machine can see."""


@dataclass(frozen=True, slots=True)
class Lost:
    """An attempt at a cell was lost."""

    cell: Cell
    cause: str


@dataclass(frozen=True, slots=True)
class Family:
    """What a cluster of ours consists of, for whoever is left when Ray ends the driver."""

    processes: tuple[tuple[int, float], ...]
    """Process id and time of creation, so that a number that is another's by now is not taken for it."""
    folders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gone:
    """The cluster is gone."""

    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How cells are to run on Ray."""

    address: str | None
    """Of a cluster that is there; None to start one on this machine."""
    gpus: float
    """Of each cell."""
    device: str
    """Of each cell: cuda or cpu."""
    workers: int
    """Cells at once, at most; 0 for no bound of ours."""
    threads: int
    """Of each cell."""

    @classmethod
    def of(cls, place: Place, workers: int, threads: int, address: str | None, gpus: float | None) -> "Asked":
        """Read what was asked; a share of a GPU makes the device a GPU, whatever this machine has.

        Raises:
            UserError: A share that Ray does not give, or none for cells that run on a GPU; states to be saved, which
                would stay on the nodes.
        """
        if place.checkpoint_minutes is not None:
            raise UserError(
                f"--checkpoint-minutes {place.checkpoint_minutes:g}: a cell on Ray leaves nothing on its node, so that"
                " no state of it is saved; leave it out"
            )
        share = float(place.device == "cuda") if gpus is None else float(gpus)
        if not 0 <= share <= MOST_GPUS or (share > 1 and share != int(share)):
            raise UserError(f"--gpus-per-cell {share:g}: a part of one GPU, such as 0.5, or a whole number is meant")
        if not share and place.device == "cuda":
            raise UserError("--gpus-per-cell 0: a cell without a share sees no GPU; give --device cpu beside it")
        device = "cuda" if share and not pretended() else "cpu"
        return cls(address=address, gpus=share, device=device, workers=workers, threads=threads)

    @property
    def needs(self) -> dict[str, float]:
        """What a cell asks Ray for: its share of a GPU, else its CPUs."""
        return {"GPU": self.gpus} if self.gpus else {"CPU": float(self.threads)}

    @property
    def resources(self) -> dict[str, Any]:
        """The same as Ray's remote functions take it."""
        return {"num_cpus": self.needs.get("CPU", 0), "num_gpus": self.gpus}
