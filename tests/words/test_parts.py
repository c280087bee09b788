"""What is half written when its maker is killed goes with the next run; what a living process writes stays."""

import signal
import subprocess
import sys

import pytest

from discbench.words import parts

MAKER = """
import sys, time
from pathlib import Path
from discbench.words import parts
print({made}, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("made", ["parts.begun(Path(sys.argv[1]))[1]", "parts.begun_folder(Path(sys.argv[1]))"])
def test_a_part_stays_as_long_as_its_maker_lives(tmp_path, made):
    with subprocess.Popen(
        [sys.executable, "-c", MAKER.format(made=made), tmp_path], stdout=subprocess.PIPE, text=True
    ) as maker:
        part = maker.stdout.readline().strip()
        parts.clear(tmp_path.glob(parts.PATTERN))
        while_it_lives = [str(path) for path in tmp_path.iterdir()]
        maker.send_signal(signal.SIGKILL)
        maker.wait()
    parts.clear(tmp_path.glob(parts.PATTERN))

    assert [part] == while_it_lives
    assert [] == list(tmp_path.iterdir())


def test_a_new_folder_removes_what_killed_makers_left_beside_it(tmp_path):
    (tmp_path / ".old.part").mkdir()
    (tmp_path / ".old.part" / "rows").write_text("half")
    (tmp_path / "rows").mkdir()

    assert {parts.begun_folder(tmp_path), tmp_path / "rows"} == set(tmp_path.iterdir())
