"""The notebook in `examples/` runs from top to bottom, and its committed outputs are of the same code."""

import importlib.util
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SOURCE = EXAMPLES / "evaluate.ipynb"


def code_cells(path):
    nbformat = pytest.importorskip("nbformat", reason="nbclient is not installed: discbench[test]")
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def test_every_cell_of_the_committed_notebook_was_run_in_order_without_an_error():
    cells = code_cells(SOURCE)

    assert list(range(1, len(cells) + 1)) == [cell.execution_count for cell in cells]
    assert [] == [output for cell in cells for output in cell.outputs if output.output_type == "error"]


def test_the_committed_notebook_shows_boards_gains_and_what_resuming_saves():
    pages = [o["data"]["text/html"] for c in code_cells(SOURCE) for o in c.outputs if "text/html" in o.get("data", {})]
    said = "".join(o["text"] for c in code_cells(SOURCE) for o in c.outputs if o.get("name") == "stdout")

    assert 2 <= sum("gain over scratch" in page for page in pages)
    assert "trained 2 cells, kept 6" in said


def test_the_committed_notebook_holds_no_warning_and_no_terminal_code():
    said = "".join(o["text"] for c in code_cells(SOURCE) for o in c.outputs if o.get("name") == "stderr")
    shown = "".join(str(o.get("data", "")) for c in code_cells(SOURCE) for o in c.outputs)

    assert "Warning" not in said
    assert "\\x1b" not in shown
    assert "null_pwcca_x" in shown


@pytest.mark.slow
def test_the_notebook_runs_anew_without_an_error(tmp_path):
    spec = importlib.util.spec_from_file_location("execute", EXAMPLES / "execute.py")
    execute = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(execute)
    execute.execute(SOURCE, tmp_path / "out.ipynb")

    assert [cell.source for cell in code_cells(SOURCE)] == [cell.source for cell in code_cells(tmp_path / "out.ipynb")]
    assert [] == [o for cell in code_cells(tmp_path / "out.ipynb") for o in cell.outputs if o.output_type == "error"]
