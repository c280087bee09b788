"""Two nodes of Ray, each in a network of its own; the second has no file of ours, and is taken away in the middle."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ray_tasks import doing

import discbench

pytest.importorskip("ray", reason="ray is not installed: discbench[ray]")
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="networks are made by root, with iproute2"),
]
HEAD, OTHER, PORT = "10.251.7.1", "10.251.7.2", 6391


@pytest.fixture
def networks():
    """Two networks that see each other and nothing else."""
    names = [f"discbench-{os.getpid()}-{which}" for which in ("a", "b")]
    ends = [f"db{os.getpid() % 100000}{which}" for which in ("a", "b")]
    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", ends[0], "netns", names[0], "type", "veth", "peer", ends[1], "netns", names[1])
        for name, end, address in zip(names, ends, (HEAD, OTHER), strict=True):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", end)
            ip("-n", name, "link", "set", end, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield names, ends
    finally:
        for name in names:
            ip("netns", "del", name, check=False)


def ip(*words, check=True):
    subprocess.run(["ip", *words], check=check, capture_output=True)


@contextlib.contextmanager
def started(*command, env, log):
    """A process in a session of its own, which is ended with all of its session."""
    with Path(log).open("w") as said:
        process = subprocess.Popen(command, env=env, stdout=said, stderr=said, start_new_session=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:  # a node without a network is slow to end
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def waited(what, process, log, seconds=600):
    until = time.monotonic() + seconds
    while not what():
        assert process.poll() is None, Path(log).read_text()[-2000:]
        assert time.monotonic() < until, Path(log).read_text()[-2000:]
        time.sleep(0.2)


def staying(folder):
    """A function that stays for ever on the second node, and tells that it is there."""

    def stay():
        import os
        import time
        from pathlib import Path

        if os.environ.get("DISCBENCH_NODE") == "other":
            Path(folder, "it stays").write_text(os.environ["DISCBENCH_CACHE"])
            time.sleep(3600)

    return stay


DRIVE = """
import cloudpickle, discbench, pathlib, sys
given = cloudpickle.loads(pathlib.Path(sys.argv[1]).read_bytes())
pathlib.Path(sys.argv[2]).write_text(discbench.evaluate(**given).to_json())
"""


def test_a_node_without_our_files_runs_cells_and_one_that_is_lost_changes_no_byte_of_the_board(
    networks, checkpoint_directory, tmp_path
):
    import cloudpickle

    (first, second), ends = networks
    model = shutil.copytree(checkpoint_directory, tmp_path / "only here" / "model")
    (tmp_path / "cache").mkdir()
    task = doing("staying", staying(tmp_path))
    given = {"model": model, "tasks": [task], "seeds": 2, "recipe": "quick", "set": {"epochs": 1}, "limit": 16}
    far = {**given, "results": tmp_path / "there", "executor": "ray", "address": f"{HEAD}:{PORT}"}
    (tmp_path / "asked").write_bytes(cloudpickle.dumps(far))
    (tmp_path / "drive.py").write_text(DRIVE)

    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": os.urandom(32).hex(), "RAY_USAGE_STATS_ENABLED": "0"}
    env = {**os.environ, **token}
    other = {**env, "DISCBENCH_NODE": "other", "DISCBENCH_CACHE": str(tmp_path / "cache")}
    ray = [shutil.which("ray") or str(Path(sys.executable).parent / "ray"), "start", "--num-cpus=1", "--block"]
    temporary = f"/tmp/db{os.getpid()}"
    a = ["ip", "netns", "exec", first, *ray, "--head", f"--node-ip-address={HEAD}", f"--port={PORT}"]
    a += ["--include-dashboard=false", f"--temp-dir={temporary}"]
    hidden = f"mount -t tmpfs none '{model.parent}' && exec \"$@\""
    b = ["ip", "netns", "exec", second, "unshare", "--mount", "sh", "-c", hidden, "sh"]
    b += [*ray, f"--address={HEAD}:{PORT}", f"--node-ip-address={OTHER}"]
    try:
        with started(*a, env=env, log=tmp_path / "a") as head:
            waited(lambda: "Ray runtime started" in (tmp_path / "a").read_text(), head, tmp_path / "a")
            with started(*b, env=other, log=tmp_path / "b") as node:
                waited(lambda: "Ray runtime started" in (tmp_path / "b").read_text(), node, tmp_path / "b")
                drive = ["ip", "netns", "exec", first, sys.executable, tmp_path / "drive.py"]
                words = [*map(str, drive), str(tmp_path / "asked"), str(tmp_path / "board")]
                with started(*words, env=env, log=tmp_path / "driver") as driver:
                    waited((tmp_path / "it stays").exists, driver, tmp_path / "driver")
                    ip("-n", second, "link", "set", ends[1], "down")
                    assert 0 == driver.wait(900), (tmp_path / "driver").read_text()[-2000:]
    finally:
        shutil.rmtree(temporary, ignore_errors=True)

    sent = list((tmp_path / "cache" / "checkpoints").iterdir())
    assert 1 == len(sent), "the node had the checkpoint sent, once"
    here = discbench.evaluate(**given, results=tmp_path / "here", workers=0)
    assert here.to_json() == (tmp_path / "board").read_text()
