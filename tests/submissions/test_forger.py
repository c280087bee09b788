"""What a careful forger hands in is found or refused; what is accepted breaks nothing, and is named in docs/submit.md."""

import copy
from collections import Counter
from pathlib import Path

import archives
import forger
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stores import by_id, write

from discbench.cli import cli
from discbench.errors import UserError
from discbench.exports.formats import FORMATS
from discbench.submissions.verify import Verifier

SLOW = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None, "derandomize": True}


@pytest.fixture(scope="module")
def verifier():
    """One for all tests, so that rows and vocabulary are read once."""
    return Verifier(tasks=by_id(), allow_marked=True)


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """An honest store of two inits and both baselines."""
    return forger.honest(tmp_path_factory.mktemp("honest") / "store")


@pytest.fixture(scope="module")
def forged(honest):
    """All forgeries by what is forged."""
    return {forgery.what: forgery for forgery in forger.forgeries(honest)}


def seen(verifier, folder, forgery):
    """What verification makes of a forgery, see `checked`."""
    return checked(verifier, forger.packed(folder / "a.zip", forger.signed(forgery)))


def checked(verifier, path):
    """What verification makes of a file: `refused`, or the checks that found something."""
    try:
        verdict = verifier.verify(path)
    except UserError as error:
        return ["refused"] if str(error).isprintable() else []
    assert all(finding.line.isprintable() for finding in verdict.findings)
    return sorted({finding.check for finding in verdict.findings if finding.level == "error"})


def test_what_nobody_forged_is_accepted(tmp_path, verifier, honest):
    assert [] == seen(verifier, tmp_path, forger.Forgery("honest", "nothing", honest))


SAID = "when and on what a cell ran is taken as it is said"
NAMED = "Of a checkpoint whose vocabulary is not at hand the name"
UNSEEN = {
    **dict.fromkeys((f"run.hardware.device: {kind}" for kind in ("word for anything", "terminal markup", "page markup", "formula", "other case")), SAID),
    **dict.fromkeys(("run.seconds: half", "run.versions.torch: other case"), SAID),
    **dict.fromkeys(("markup of the terminal", "opening markup", "page markup", "formula", "slashes", "revision with markup"), NAMED),
    **dict.fromkeys(("cell.fraction: half", "cell.recipe.targets: left out"), "recipe, limit or share differ"),
    "half the loss": "Losses are held against the learning speed made from them",
}  # fmt: skip
"""Forgery -> the words of docs/submit.md that say why it cannot be seen."""


def unseen(forgery):
    """Why a forgery cannot be seen, or None if it must be."""
    return UNSEEN.get(forgery.what)


def test_the_guide_says_what_cannot_be_seen():
    guide = " ".join((Path(__file__).parents[2] / "docs" / "submit.md").read_text().split())

    assert [] == [words for words in UNSEEN.values() if words not in guide]


def forgery_test(verifier, folder, forgery):
    found = seen(verifier, folder, forgery)
    assert ([] == found) == (unseen(forgery) is not None), (forgery.kind, forgery.what, found)


@settings(max_examples=60, **SLOW)
@given(data=st.data())
def test_a_forged_field_is_found_whatever_its_class(tmp_path_factory, verifier, forged, data):
    kind = data.draw(st.sampled_from(sorted({f.kind for f in forged.values()} - {"seeds", "list", "archive"})))
    forgery = data.draw(st.sampled_from([f for f in forged.values() if f.kind == kind]))

    forgery_test(verifier, tmp_path_factory.mktemp("forged"), forgery)


RUNS = sorted(name.partition(": ")[2] for name in forger.RUNS)


@pytest.mark.parametrize("what", [*RUNS, *sorted(forger.LISTS)])
def test_a_forged_run_or_list_is_found(tmp_path, verifier, forged, what):
    forgery_test(verifier, tmp_path, forged[what])


def broken(forgery, folder):
    """The commands that fail in another way than by one line, on a store of what was handed in."""
    root = forger.unpacked(folder / "store", forger.signed(forgery))
    calls = [["board"], ["board", "--out", folder / "board"], ["site", "--from", root, "--out", folder / "site"]]
    calls += [["export", "--to", form, "--allow-marked", "--out", folder / form] for form in FORMATS]
    calls = [[*call, *(["--results", root] if call[0] != "site" else [])] for call in calls]
    calls = [[*call, *(["--benchmark", "org/name"] if "hf-eval-results" in call else [])] for call in calls]
    done = [(call, CliRunner().invoke(cli, [str(word) for word in call])) for call in calls]
    return [
        (call[:3], repr(each.exception)) for call, each in done if each.exit_code not in {0, 2} or not (each.output)
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Runs of two seeds on the same rows."""
    root = tmp_path_factory.mktemp("whole")
    return forger.read_store(write(root, [forger.TASK], overrides={"epochs": "0.1"}))


@pytest.mark.parametrize("noise,found", [(0.0, ["twice"]), (1e-7, ["twice"]), (1e-5, ["twice"]), (1e-2, [])])
def test_answers_equal_up_to_rounding_are_one_run_whatever_seeds_they_claim(tmp_path, verifier, whole, noise, found):
    again = copy.deepcopy(whole)
    forger.repeated(again, noise)

    assert found == seen(verifier, tmp_path, forger.Forgery("counted twice", "noise", again))


@pytest.mark.slow
def test_every_forgery_is_found_or_known_to_be_unseen_and_breaks_nothing(tmp_path, verifier, forged):
    count = Counter()
    for place, forgery in enumerate(forged.values()):
        (tmp_path / str(place)).mkdir()
        forgery_test(verifier, tmp_path / str(place), forgery)
        count["tried"] += 1
        if unseen(forgery) is not None:
            count["accepted"] += 1
            assert [] == broken(forgery, tmp_path / str(place)), forgery.what

    assert count["tried"] > 1000
    assert count["accepted"] < 0.1 * count["tried"]


def test_an_archive_of_the_simplest_kind_is_accepted(tmp_path, verifier, honest):
    files = forger.signed(forger.Forgery("honest", "nothing", honest))
    packed = archives.Whole([archives.Packed(name.encode(), content) for name, content in sorted(files.items())])
    (tmp_path / "a.zip").write_bytes(packed.bytes())

    assert [] == [f.line for f in verifier.verify(tmp_path / "a.zip").findings]


@pytest.mark.parametrize("kind", archives.KINDS)
def test_an_archive_that_has_two_readings_is_refused_or_found(tmp_path, verifier, honest, kind):
    files = forger.signed(forger.Forgery("honest", "nothing", honest))
    packed = archives.Whole([archives.Packed(name.encode(), content) for name, content in sorted(files.items())])
    archives.KINDS[kind](packed)
    (tmp_path / "a.zip").write_bytes(packed.bytes())
    assert [] != checked(verifier, tmp_path / "a.zip")
