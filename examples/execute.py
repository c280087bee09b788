"""Run a notebook from top to bottom and write it back with its outputs: `python examples/execute.py [IN [OUT]]`.

A cell that raises ends the run, and nothing is written.
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
KEPT = ("kernelspec", "language_info")


def execute(source: Path, target: Path) -> None:
    """Run `source` in a fresh kernel and write it to `target`; times and machines are left out of it."""
    notebook = nbformat.read(source, as_version=4)
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", record_timing=False, coalesce_streams=True)
    client.execute(cwd=HERE)
    notebook.metadata = {name: value for name, value in notebook.metadata.items() if name in KEPT}
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, target)


if __name__ == "__main__":
    given = [Path(word) for word in sys.argv[1:]] or [HERE / "evaluate.ipynb"]
    execute(given[0], given[-1])
