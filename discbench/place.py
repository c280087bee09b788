"""Where and on what cells run."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where and on what cells run; nothing of it enters a cell's id."""

    results: Path
    data: Path | None = None
    device: str = "cpu"
    unverified: bool = False
    verbose: bool = False
