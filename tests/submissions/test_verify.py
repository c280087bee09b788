"""Verification accepts what an evaluation wrote, and rejects whatever was changed in it."""

import copy
import hashlib
import json
import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stores import VOTED, by_id, write

from discbench.errors import NotAtHand
from discbench.results.store import as_text, pack_predictions, unpack_predictions
from discbench.submissions import checks
from discbench.submissions.verify import Verifier
from discbench.values.cells import cell_id
from discbench.values.recipes import recipe_for

SLOW = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None, "derandomize": True}


@pytest.fixture(scope="module")
def verifier():
    """One for all tests, so that rows and vocabulary are read once."""
    return Verifier(tasks=by_id(), allow_marked=True)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store of four cells, two of them controls."""
    root = tmp_path_factory.mktemp("verify") / "store"
    write(root, limit=32, overrides={"epochs": "2.0"})
    return root


def errors(verdict):
    return sorted({finding.check for finding in verdict.findings if finding.level == "error"})


@settings(max_examples=8, **SLOW)
@given(
    names=st.lists(
        st.sampled_from(["formal.factor", "formal.shift", "formal.depth"]), min_size=1, max_size=2, unique=True
    ),
    others=st.sets(st.sampled_from(["pretrained", "reembedded", "frozen"])),
    seeds=st.sampled_from([(0,), (0, 1)]),
    limit=st.one_of(st.none(), st.integers(1, 40)),
    fraction=st.sampled_from([1.0, 0.02]),
    mapping_seeds=st.sampled_from([(), (3,)]),
    overrides=st.sampled_from([{}, {"epochs": "0.5"}, {"select": "last"}, {"evaluate_every": "3", "batch": "7"}]),
    seed=st.integers(0, 1000),
)
def test_a_store_as_an_evaluation_writes_it_is_accepted(
    tmp_path_factory, verifier, names, others, seeds, seed, **asked
):
    root = tmp_path_factory.mktemp("random")
    paths = write(root, names, inits=("scratch", *sorted(others)), seeds=seeds, seed=seed, **asked)
    verdict = verifier.verify(root)

    assert [] == verdict.findings
    assert len(paths) == verdict.cells == verdict.done["scores counted from predictions and the task's own labels"]


def test_a_twin_that_a_task_got_later_is_no_fault_of_older_cells_and_one_that_it_has_not_is(tmp_path, store):
    tasks = by_id()
    task = tasks["formal.factor@1"]
    later = {**tasks, task.id: replace(task, dataset=replace(task.dataset, apart="formal.factor-grouped"))}
    for path in write(tmp_path / "named", limit=32):
        record = json.loads(path.read_text())
        record["dataset"]["copies"][0]["apart"] = "formal.factor-grouped"
        path.write_text(as_text(record))

    assert [] == errors(Verifier(tasks=later, allow_marked=True).verify(store))
    assert ["copies"] == errors(Verifier(tasks=tasks, allow_marked=True).verify(tmp_path / "named"))


def test_first_rows_are_those_of_the_publishers_order_and_of_no_other_task(tmp_path, verifier):
    asked = {"inits": ("scratch",), "seeds": (0,), "fraction": 0.2, "subset": "first"}
    write(tmp_path / "numbered", [VOTED], **asked)
    write(tmp_path / "bare", ["formal.factor"], **asked)

    assert [] == verifier.verify(tmp_path / "numbered").findings
    assert ["it was trained on the first rows, but the task's rows have no order of their publisher's"] == [
        finding.message for finding in verifier.verify(tmp_path / "bare").findings
    ]


def leaves(value, path=()):
    """All places in JSON that hold no further places."""
    if isinstance(value, dict) and value:
        return [leaf for key in value for leaf in leaves(value[key], (*path, key))]
    if isinstance(value, list) and value:
        return [leaf for key in range(len(value)) for leaf in leaves(value[key], (*path, key))]
    return [path]


def changed(value):
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 10
    if isinstance(value, str):
        return value[:-1] + ("0" if value[-1:] != "0" else "1")
    return {"x": 1} if value == {} else ["limited"] if value == [] else 1


def put(record, path, value):
    holder = record
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value


def get(record, path):
    for key in path:
        record = record[key]
    return record


def checkable(record, path):
    """Whether a change here contradicts something else that was handed in."""
    if path[0] == "run":
        return False  # where and when it ran: nothing else tells
    if path[:2] == ("scores", "validation"):
        return path[2] == record["task"]["metric"]  # of validation only the scored step's primary metric stands twice
    if path[:2] == ("scores", "test_of_last_state"):
        return record["curve"]["best_step"] == record["counts"]["steps"]
    return True


def tampered(store, root, which, place):
    """A copy of a store with one field of one result changed."""
    shutil.copytree(store, root)
    path = sorted(root.glob("*/*/*/*.json"))[which]
    record = json.loads(path.read_text())
    put(record, place, changed(get(record, place)))
    path.write_text(as_text(record))
    return root


def places(store, which):
    """The checkable places of one result, those of one part together."""
    record = json.loads(sorted(store.glob("*/*/*/*.json"))[which].read_text())
    groups = {}
    for leaf in leaves(record):
        if checkable(record, leaf):
            groups.setdefault(leaf[:2], []).append(leaf)
    return sorted(groups.values(), key=str)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A run and its control."""
    root = tmp_path_factory.mktemp("pair") / "store"
    write(root, seeds=(0,), limit=16, overrides={"epochs": "2.0", "batch": "8"})
    return root


@settings(max_examples=60, **SLOW)
@given(data=st.data(), which=st.integers(0, 1))
def test_a_result_with_any_one_field_changed_is_rejected(tmp_path_factory, verifier, pair, data, which):
    place = data.draw(st.sampled_from(data.draw(st.sampled_from(places(pair, which)))))
    root = tampered(pair, tmp_path_factory.mktemp("tampered") / "store", which, place)

    assert [] != errors(verifier.verify(root)), place


@pytest.mark.slow
def test_no_field_of_a_result_can_be_changed_unseen(tmp_path, verifier, pair):
    unseen = [
        (which, leaf)
        for which in (0, 1)
        for i, leaf in enumerate(leaf for group in places(pair, which) for leaf in group)
        if not errors(verifier.verify(tampered(pair, tmp_path / f"{which}-{i}", which, leaf)))
    ]

    assert [] == unseen


FORGED = {
    "seed": ("cell", "seed"),
    "limit": ("cell", "limit"),
    "fraction": ("cell", "fraction"),
    "init": ("cell", "init"),
    "task": ("cell", "task"),
    "rows": ("cell", "rows"),
    "mapping": ("cell", "mapping"),
    "mapping seed": ("cell", "mapping_seed"),
    "rate": ("cell", "recipe", "lr"),
    "recipe": ("cell", "recipe", "name"),
    "revision": ("cell", "revision"),
}


@pytest.mark.parametrize("field", FORGED)
def test_a_cell_that_was_renamed_with_its_id_and_file_is_rejected(tmp_path, verifier, store, field):
    root = tmp_path / "store"
    shutil.copytree(store, root)
    path = next(
        p for p in sorted(root.glob("*/*/*/*.json")) if json.loads(p.read_text())["cell"]["init"] == "pretrained"
    )
    record = json.loads(path.read_text())
    forged = {"init": "frozen", "task": "formal.markov@1", "recipe": "paper", "mapping": "unused", "fraction": 0.5}
    put(record, FORGED[field], forged.get(field, changed(get(record, FORGED[field]))))
    answers = path.with_name(record["predictions"]["file"])
    record["id"] = cell_id(record["cell"])
    record["predictions"]["file"] = f"{record['id']}.predictions.parquet"
    from discbench.results.store import place

    (root / place(record["cell"])).parent.mkdir(parents=True, exist_ok=True)
    (root / place(record["cell"])).write_text(as_text(record))
    answers.rename((root / place(record["cell"])).with_name(record["predictions"]["file"]))
    path.unlink()

    found = errors(verifier.verify(root))
    assert [] != found
    assert "id" not in found


def forge_predictions(root, change, which=0):
    """Change predictions, and let the result name their new hash."""
    path = sorted(root.glob("*/*/*/*.json"))[which]
    record = json.loads(path.read_text())
    answers = path.with_name(record["predictions"]["file"])
    parts = [np.array(part) for part in unpack_predictions(answers)]
    change(*parts)
    answers.write_bytes(pack_predictions(*parts))
    record["predictions"]["sha256"] = hashlib.sha256(answers.read_bytes()).hexdigest()
    path.write_text(as_text(record))


def flip_answer(rows, outputs, targets):
    outputs[3] = outputs[3][::-1]


def flip_label(rows, outputs, targets):
    targets[3] = 1 - targets[3]


def other_row(rows, outputs, targets):
    rows[-1] += 1


def not_a_number(rows, outputs, targets):
    outputs[0, 0] = np.nan


@pytest.mark.parametrize(
    "change,word",
    [(flip_answer, "scores"), (flip_label, "targets"), (other_row, "rows"), (not_a_number, "predictions")],
)
def test_predictions_that_were_changed_with_their_hash_are_rejected(tmp_path, verifier, store, change, word):
    shutil.copytree(store, tmp_path / "store")
    forge_predictions(tmp_path / "store", change)

    assert [word] == errors(verifier.verify(tmp_path / "store"))


def test_predictions_that_were_changed_alone_are_rejected(tmp_path, verifier, store):
    root = tmp_path / "store"
    shutil.copytree(store, root)
    path = min(root.glob("*/*/*/*.parquet"))
    path.write_bytes(path.read_bytes()[:-9] + b"x" + path.read_bytes()[-8:])

    assert ["predictions"] == errors(verifier.verify(root))


def test_a_run_without_its_control_is_rejected(tmp_path, verifier, store):
    root = tmp_path / "store"
    shutil.copytree(store, root)
    for path in root.glob("*/*/*/*.json"):
        cell = json.loads(path.read_text())["cell"]
        if (cell["init"], cell["seed"]) == ("scratch", 1):
            path.unlink()
            path.with_name(f"{path.stem}.predictions.parquet").unlink()
    verdict = verifier.verify(root)

    assert ["no scratch control with seed 1 for init pretrained"] == [f.message for f in verdict.findings]
    assert ["control"] == errors(verdict)


def test_answers_claimed_for_two_seeds_are_rejected(tmp_path, verifier):
    root = tmp_path / "store"
    first, second = write(root, inits=("scratch",), seeds=(0, 1))
    record, other = json.loads(first.read_text()), json.loads(second.read_text())
    forged = copy.deepcopy(record)
    for name in ("id", "cell", "mapping_sha256"):
        forged[name] = other[name]
    forged["predictions"]["file"] = other["predictions"]["file"]
    second.write_text(as_text(forged))
    shutil.copy(first.with_name(record["predictions"]["file"]), second.with_name(other["predictions"]["file"]))

    assert ["twice"] == errors(verifier.verify(root))


def test_a_failed_cell_is_rejected_with_its_cause(tmp_path, verifier):
    root = tmp_path / "store"
    path = write(root, inits=("scratch",), seeds=(0,))[0]
    record = json.loads(path.read_text())
    kept = {name: record[name] for name in ("format", "id", "cell", "task", "run")}
    path.write_text(as_text({**kept, "status": "failed", "cause": "CellError: NaN", "marks": []}))

    assert ["CellError: NaN; run it again or leave it out"] == [
        f.message for f in verifier.verify(root).findings if f.check == "failed"
    ]


def test_marked_cells_are_rejected_unless_they_are_allowed(store, verifier):
    strict = Verifier(tasks=by_id()).verify(store)

    assert ["marks"] == errors(strict)
    assert 4 == strict.errors
    assert [] == errors(verifier.verify(store))


def without_rows(task):
    """The task on a machine that has not its files."""

    def load():
        raise NotAtHand("not here")

    return replace(task, dataset=replace(task.dataset, load=load))


def test_without_the_rows_labels_are_taken_as_they_are_and_it_says_so(tmp_path, store):
    gone = without_rows(by_id()["formal.factor@1"])
    blind = Verifier(tasks={gone.id: gone}, allow_marked=True)
    verdict = blind.verify(store)

    assert [
        (
            "not checked: rows: formal.factor@1: the task's rows are not at hand, so labels are taken as they are:"
            " give --data-dir, or --fetch to download them (4 cells)"
        )
    ] == [finding.line for finding in verdict.findings]
    assert 4 == verdict.done["scores counted from predictions and the labels in them"]


def test_groups_are_put_to_the_vote_where_the_rows_are_at_hand_and_told_where_not(tmp_path, verifier):
    write(tmp_path, [VOTED])
    task = by_id()[f"{VOTED}@1"]
    blind = Verifier(tasks={task.id: without_rows(task)})

    assert [] == verifier.verify(tmp_path).findings
    assert {(word, "not checked") for word in ("counts", "rows", "scores")} == {
        (f.check, f.level) for f in blind.verify(tmp_path).findings
    }


def test_a_vocabulary_that_is_not_at_hand_is_told(tmp_path, verifier, store):
    root = tmp_path / "store"
    shutil.copytree(store, root)
    for path in sorted(root.glob("*/*/*/*.json")):
        record = json.loads(path.read_text())
        record["cell"]["checkpoint"] = "org/model"
        record["id"] = cell_id(record["cell"])
        answers = path.with_name(record["predictions"]["file"])
        record["predictions"]["file"] = f"{record['id']}.predictions.parquet"
        folder = root / "org__model" / path.parent.parent.name / path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{record['id']}.json").write_text(as_text(record))
        answers.rename(folder / record["predictions"]["file"])
        path.unlink()
    verdict = verifier.verify(root)

    assert ["mapping"] == [f.check for f in verdict.findings]
    assert "vocabulary not at hand; name the checkpoint with --model (4 cells)" == verdict.findings[0].message
    assert 0 == verdict.errors


def test_what_all_cells_of_one_checkpoint_share_must_agree(tmp_path, verifier):
    root = tmp_path / "store"
    paths = write(root, seeds=(0,))
    record = json.loads(paths[1].read_text())
    record["counts"]["parameters"] = record["counts"]["trained_parameters"] = 7
    paths[1].write_text(as_text(record))

    assert ["counts"] == errors(verifier.verify(root))


@pytest.mark.parametrize(
    "name,said,changed,faults",
    [
        ("quick", {"targets": "standardised"}, {}, 0),
        ("quick", {}, {}, 0),  # of before recipes had the field, or --set targets=raw
        ("paper", {"targets": "standardised"}, {}, 0),
        ("paper", {"targets": "raw"}, {}, 1),  # another id for the same run
        ("paper", {"targets": "standardised"}, {"targets": "standardised"}, 1),
        ("quick", {"targets": "halved"}, {}, 1),
    ],
)
def test_the_unit_of_labels_is_told_in_one_way_only(name, said, changed, faults):
    recipe = {**asdict(recipe_for(name, "scratch", {})), **said}
    if not said:
        del recipe["targets"]
    cell = {"init": "scratch", "checkpoint": "builtin:tiny", "recipe": recipe, "changed": changed}

    assert faults == len(list(checks.recipe({"cell": cell}, by_id()["formal.depth@1"])))
