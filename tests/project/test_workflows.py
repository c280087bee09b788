"""The workflows give pull requests no rights, and verify what was handed in with the base branch's program."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from stores import write

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def test_there_are_two_workflows():
    assert ["ci.yml", "verify-submission.yml"] == [path.name for path in WORKFLOWS]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_no_rights_and_pinned_actions(path):
    text, record = path.read_text(), yaml.safe_load(path.read_text())
    used = [step["uses"] for job in record["jobs"].values() for step in job["steps"] if "uses" in step]

    assert {"contents": "read"} == record["permissions"]
    assert "pull_request_target" not in text
    assert "secrets." not in text
    assert [] == [action for action in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action)]
    assert all("${{" not in step.get("run", "") for job in record["jobs"].values() for step in job["steps"])


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_what_a_pull_request_adds_is_verified(tmp_path):
    """The script of the workflow on a real repository: a good submission passes, a bad one does not."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()

    def git(*words):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main"]
        return subprocess.run(
            ["git", *identity, *words], cwd=checkout, check=True, capture_output=True, text=True
        ).stdout

    def verified():
        environment = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HF_HUB_OFFLINE": "1",
            "HOME": str(tmp_path),
        }
        words = ["bash", str(ROOT / ".github" / "verify-submission"), str(checkout), base]
        return subprocess.run(words, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "base")
    base = git("rev-parse", "HEAD").strip()
    folder = checkout / "leaderboard" / "submissions"
    folder.mkdir(parents=True)
    write(tmp_path / "store", seeds=(0,))
    from discbench.submissions.submit import pack

    (folder / "a name;$(touch owned).zip").write_bytes(pack(tmp_path / "store")[0])
    git("add", "-A")
    git("commit", "-q", "-m", "results")
    good = verified()
    with zipfile.ZipFile(folder / "bad.zip", "w") as archive:
        archive.writestr("../x.json", "{}")
    git("add", "-A")
    git("commit", "-q", "-m", "more")
    bad = verified()

    assert (0, True) == (good.returncode, "2 cells, 0 errors" in good.stdout), good.stderr
    assert (1, True) == (bad.returncode, "is refused: it holds a file named" in bad.stderr)
    assert not (tmp_path / "owned").exists()
