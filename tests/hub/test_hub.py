"""What a user types who names a model of the hub, and what comes back, with a hub there, away, refusing or lost.

The same tests meet a small hub of our own and, by `make hub`, olah.
"""

import json
import os
import shutil
import subprocess
import sys

import pytest
from hubs import GATED, PRIVATE, Olah, Small, Wire, program

from discbench.values.checkpoints import builtins

TINY = builtins()["builtin:tiny"]
TALK = """
import json, sys
from click.testing import CliRunner
from discbench.cli import cli
said = [CliRunner().invoke(cli, words) for words in json.loads(sys.argv[1])]
print(json.dumps([[r.exit_code, r.stdout, r.stderr] for r in said]))
"""
NOWHERE = "http://127.0.0.1:9"
PLAN = ["--tasks", "formal.factor", "--inits", "pretrained", "--seeds", "1", "--recipe", "quick", "--limit", "8"]


class Machine:
    """A user's machine: its hub cache, its store."""

    def __init__(self, folder):
        self.folder, self.store = folder, str(folder / "results")

    def environment(self, url, *, offline=False):
        """Return what the user has set."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        own = {
            "HF_HOME": str(self.folder / "hf"),
            "DISCBENCH_CACHE": str(self.folder / "cache"),
            "OMP_NUM_THREADS": "1",
        }
        return {**kept, **own, "HF_ENDPOINT": url, **({"HF_HUB_OFFLINE": "1"} if offline else {})}

    def say(self, url, *commands, offline=False):
        """Return (exit code, stdout, stderr) of each command, all of them in one process."""
        words = [sys.executable, "-c", TALK, json.dumps(commands)]
        done = subprocess.run(
            words, env=self.environment(url, offline=offline), capture_output=True, text=True, check=False
        )
        assert 0 == done.returncode, done.stderr
        return [tuple(said) for said in json.loads(done.stdout.splitlines()[-1])]

    def plans(self, url, *models, offline=False):
        """Return (exit code, cells' ids, stderr) of a plan for each model."""
        commands = [["plan", "--model", model, *PLAN, "--results", self.store, "--json"] for model in models]
        said = self.say(url, *commands, offline=offline)
        return [(code, [cell["id"] for cell in json.loads(out or "[]")], err) for code, out, err in said]

    def eval(self, *models):
        """Return the words of a run in the calling process."""
        named = [word for model in models for word in ("--model", model)]
        return ["eval", *named, *PLAN, "--results", self.store, "--workers", "0"]

    def cache(self, identity):
        """Return where the hub's client keeps a model."""
        return self.folder / "hf" / "hub" / f"models--{identity.replace('/', '--')}"

    def revisions(self):
        """Return the revisions that the store has results of."""
        return {json.loads(path.read_text())["cell"]["revision"] for path in (self.folder / "results").rglob("*.json")}


@pytest.fixture(scope="module", params=["small", pytest.param("olah", marks=pytest.mark.slow)])
def hub(request, tmp_path_factory):
    """A hub with one model: two branches, two tags."""
    if request.param == "olah" and program() is None:
        pytest.skip("no olah: `make hub` installs it")
    hub = Small() if request.param == "small" else Olah(tmp_path_factory.mktemp("hub"))
    hub.commit("lab/tiny", TINY)
    hub.tag("lab/tiny", "v1")
    hub.first = hub.commit("lab/tiny", variant(tmp_path_factory.mktemp("main"), "main"))
    hub.other = hub.commit("lab/tiny", variant(tmp_path_factory.mktemp("dev"), "dev"), branch="dev")
    yield hub
    hub.stop()


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def variant(folder, said):
    """Return a copy of the shipped checkpoint that is another by one field of its configuration."""
    shutil.copytree(TINY, folder, dirs_exist_ok=True)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "note": said}))
    return folder


def test_the_same_command_runs_again_offline_and_a_change_of_main_is_another_checkpoint(hub, machine, tmp_path):
    """The user's own sentence, in processes of its own; then `main` moves on."""
    hub.commit("lab/moving", TINY)
    words = [sys.executable, "-m", "discbench", "eval", "--model", "lab/moving", *PLAN, "--results", machine.store]

    def run(**options):
        env = machine.environment(**options)
        done = subprocess.run(words, env=env, capture_output=True, text=True, check=False, cwd=tmp_path)
        return done.returncode, done.stderr

    kept = f"1 of 1 cell is in the store and will not be run again\ntrained nothing: every cell was in the store; results in {machine.store}\n"
    code, said = run(url=hub.url)
    assert (0, True) == (code, said.endswith(f"trained 1 cells; results in {machine.store}\n")), said
    (first,) = machine.revisions()
    assert (0, kept) == run(url=NOWHERE, offline=True)
    behind = f"lab/moving: the hub at {NOWHERE} cannot be reached (ConnectError), so commit {first[:7]} is taken, the last that the hub cache saw\n"
    assert (0, behind + kept) == run(url=NOWHERE)

    second = hub.commit("lab/moving", variant(tmp_path / "changed", "later"))
    named = f"lab/moving@{first[:9]}"
    ran, board = machine.say(hub.url, machine.eval("lab/moving", named), ["board", "--results", machine.store])
    assert (0, True, {first, second}) == (ran[0], "lab/moving@" + second[:7] in ran[2], machine.revisions()), ran[2]
    assert {f"lab/moving@{first[:7]}", f"lab/moving@{second[:7]}"} <= set(board[1].split())


def test_a_branch_a_tag_and_a_commit_are_each_the_same_cells_offline(hub, machine):
    names = ["lab/tiny", "lab/tiny@main", "lab/tiny@v1", "lab/tiny@dev", f"lab/tiny@{hub.first}", f"lab/tiny@{hub.other[:8]}"]  # fmt: skip
    online = machine.plans(hub.url, *names)
    main, same, tag, branch, commit, cut = [cells for _, cells, _ in online]

    assert [(0, "")] * 6 == [(code, said) for code, _, said in online]
    assert ([main, main, branch], 3) == ([same, commit, cut], len({*main, *tag, *branch}))
    assert online == machine.plans(NOWHERE, *names, offline=True)


def test_what_the_hub_does_not_have_is_one_line_with_what_is_near(hub, machine):
    said = machine.plans(hub.url, "lab/tiny", "lab/tinny", "lab/tiny@mian", "lab/tiny@1234567", "lab/tiny@" + "0" * 40)
    at = f"on the hub at {hub.url}"
    token = "a private one needs a token that may read it (`hf auth login` or HF_TOKEN)"

    assert [0, 2, 2, 2, 0] == [code for code, _, _ in said]
    assert f"error: no model 'lab/tinny' {at}; did you mean 'lab/tiny'? {token}\n" == said[1][2]
    there = "there are dev, main, v1\n"
    assert f"error: model 'lab/tiny' has no revision 'mian'; did you mean 'main'? {there}" == said[2][2]
    assert f"error: model 'lab/tiny' has no revision '1234567'; {there}" == said[3][2]
    (late,) = fetched(machine, hub.url, "lab/tiny@" + "0" * 40)
    assert f"model 'lab/tiny' has no revision '{'0' * 40}'; {there}" == late + "\n"


def test_without_a_hub_what_is_not_here_is_one_line(hub, machine):
    machine.plans(hub.url, f"lab/tiny@{hub.first[:8]}", "lab/tiny@v1")
    ((code, _, partly),) = machine.say(NOWHERE, machine.eval("lab/tiny@v1"))
    away = f"the hub at {NOWHERE} cannot be reached (ConnectError)"
    tagged = partly.split("commit ")[1][:7]
    (_, _, none), (_, _, near) = machine.plans(NOWHERE, "other/model", "lab/tinny")
    give = "give a directory, builtin:tiny, or a Hugging Face id"

    assert 2 == code
    assert (
        f"lab/tiny: {away}, so commit {tagged} is taken, the last that the hub cache saw\n"
        f"error: model 'lab/tiny' at commit {tagged}: not all of it is in the hub cache, and {away}; run once where the hub can be reached\n"
    ) == partly
    assert f"error: no model 'other/model': it is no directory here, not in the hub cache, and {away}; {give}\n" == none
    assert near.endswith(f"and {away}; did you mean 'lab/tiny'? {give}\n")


def test_a_hub_that_is_lost_on_the_way_is_one_line_and_the_next_run_goes_on(hub, machine):
    wire = Wire(hub.url, 1_000_000)  # the weights are 2.6 MB
    ((code, out, said),) = machine.say(wire.url, machine.eval("lab/tiny"))
    (away,) = fetched(machine, wire.url, "lab/tiny", offline=True)
    begun = f"model 'lab/tiny' at commit {hub.first[:7]}: "

    assert (2, "", set()) == (code, out, machine.revisions())
    assert (
        f"error: {begun}the hub at {wire.url} cannot be reached (ConnectError), before all of its files were here; what has come is kept: run again to go on\n"
    ) == said
    assert (
        f"{begun}not all of it is in the hub cache, and the hub was not asked (HF_HUB_OFFLINE); run once where the hub can be reached"
        == away
    )
    (files,) = fetched(machine, hub.url, "lab/tiny")
    assert {"config.json", "model.safetensors", "tokenizer.json"} < set(files)
    assert [files] == fetched(machine, NOWHERE, "lab/tiny", offline=True)
    assert [] == [*(machine.folder / "hf").rglob("*.incomplete")]


@pytest.fixture
def small():
    hub = Small()
    yield hub
    hub.stop()


def test_the_name_of_a_branch_may_hold_a_slash(small, machine):
    """olah has no place for one."""
    commit = small.commit("lab/tiny", TINY, branch="trial/first")
    ((code, cells, said),) = machine.plans(small.url, "lab/tiny@trial/first")

    assert ((0, ""), commit) == ((code, said), (machine.cache("lab/tiny") / "refs" / "trial" / "first").read_text())
    assert [(0, cells, "")] == machine.plans(NOWHERE, "lab/tiny@trial/first", offline=True)


def test_what_may_not_be_read_is_told_apart_from_what_is_not_there(small, machine):
    """olah keeps no secrets: this is how huggingface.co answers."""
    small.commit("lab/gated", TINY, access=GATED)
    small.commit("lab/private", TINY, access=PRIVATE)
    (gated_code, _, gated), (private_code, _, private) = machine.plans(small.url, "lab/gated", "lab/private")

    assert (2, 2) == (gated_code, private_code)
    assert (
        f"error: model 'lab/gated' is gated: its owner lets in who asks; ask at {small.url}/lab/gated, then give your token (`hf auth login` or HF_TOKEN)\n"
    ) == gated
    assert (
        f"error: no model 'lab/private' on the hub at {small.url}; a private one needs a token that may read it (`hf auth login` or HF_TOKEN)\n"
    ) == private


def test_a_hub_in_trouble_is_one_line_and_its_cache_is_taken(small, machine):
    commit = small.commit("lab/tiny", TINY)
    machine.plans(small.url, "lab/tiny")
    small.server.status = 503
    asked = (["plan", "--model", model, *PLAN] for model in ("lab/tiny", "bert-base"))
    (tiny, other) = machine.say(small.url, *asked)
    small.server.status = 401
    (unread,) = machine.say(small.url, ["plan", "--model", "lab/tiny", *PLAN])

    about = f"the hub at {small.url} answered 503"
    assert (0, f"lab/tiny: {about}, so commit {commit[:7]} is taken, the last that the hub cache saw\n") == tiny[::2]
    assert (2, f"error: no model 'bert-base': it is no directory here, not in the hub cache, and {about}; give a directory, builtin:tiny, or a Hugging Face id\n") == other[::2]  # fmt: skip
    assert (0, tiny[2].replace("answered 503", "answered 401")) == unread[::2]


FETCH = """
import json, sys
from discbench.errors import CheckpointError
from pathlib import Path
from discbench.values.checkpoints import directory_of, locate
for name in sys.argv[1:]:
    try:
        folder = Path(directory_of(locate(name), weights=True))
    except CheckpointError as error:
        print(json.dumps(str(error)))
    else:
        print(json.dumps(sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())))
"""


def fetched(machine, url, *names, offline=False):
    """Return the files that came of each model, or the line that says why none did."""
    words = [sys.executable, "-c", FETCH, *names]
    env = machine.environment(url, offline=offline)
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def repository(folder, *names):
    """Return a folder of small files of these names; an index names two shards."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    for index in folder.glob("*.index.json"):
        index.write_text(json.dumps({"weight_map": {"a": "parts/one.safetensors", "b": "two.safetensors"}}))
    return folder


def test_what_decides_a_checkpoint_is_fetched_and_nothing_else(small, machine, tmp_path):
    always = ["config.json", "own_code.py", "tokenizer.json"]
    beside = [
        "README.md",
        "flax_model.msgpack",
        "onnx/model.onnx",
        "coreml/weights/weight.bin",
        "1_Pooling/config.json",
    ]
    kinds = {
        "both": ["model.safetensors", "pytorch_model.bin"],
        "old": ["pytorch_model.bin"],
        "parts": ["model.safetensors.index.json", "parts/one.safetensors", "two.safetensors", "three.safetensors"],
        "none": [],
        "lora": ["adapter_config.json", "model.safetensors"],
    }
    for name, own in kinds.items():
        small.commit(f"lab/{name}", repository(tmp_path / name, *always, *beside, *own))
    small.commit("lab/words", repository(tmp_path / "words", "README.md"))
    both, old, parts, none, lora, words = fetched(machine, small.url, *(f"lab/{name}" for name in (*kinds, "words")))

    assert sorted([*always, "model.safetensors"]) == both
    assert sorted([*always, "pytorch_model.bin"]) == old
    assert sorted([*always, *kinds["parts"][:3]]) == parts
    assert "model 'lab/none': no weights (*.safetensors or *.bin) beside config.json; give a whole checkpoint" == none
    assert lora.startswith("model 'lab/lora' is an adapter beside its base, which alone would be scored")
    assert (
        "model 'lab/words' of the hub holds no config.json, so transformers cannot read it; give a checkpoint written by save_pretrained"
    ) == words
    assert [both, old, parts] == fetched(machine, NOWHERE, "lab/both", "lab/old", "lab/parts", offline=True)


def test_a_cache_that_older_versions_left_says_which_commits_it_holds(machine):
    """They asked for files by commit alone, so that no branch or tag was remembered."""
    shutil.copytree(TINY, machine.cache("lab/tiny") / "snapshots" / ("a" * 40))
    bare, named = machine.plans(NOWHERE, "lab/tiny", "lab/tiny@aaaaaaa", offline=True)

    assert (2, "error: model 'lab/tiny': the hub cache does not say which commit 'main' is, and the hub was not asked (HF_HUB_OFFLINE); it holds aaaaaaa: give lab/tiny@aaaaaaa, or run once where the hub can be reached\n") == bare[::2]  # fmt: skip
    assert (0, 1, "") == (named[0], len(named[1]), named[2])


def test_a_tokenizer_that_the_hub_does_not_hand_over_is_not_passed_over(small, machine):
    """transformers answers as for a checkpoint that has none; RoBERTa's configuration would do for one."""
    commit = small.commit("lab/tiny", TINY)
    small.server.statuses["tokenizer.json"] = 403
    (said,) = fetched(machine, small.url, "lab/tiny")

    assert (
        f"model 'lab/tiny' at commit {commit[:7]}: the hub at {small.url} answered 403, before all of its files were here; what has come is kept: run again to go on"
    ) == said
    small.server.statuses.clear()
    assert "tokenizer.json" in fetched(machine, small.url, "lab/tiny")[0]


def test_a_checkpoint_whose_tokenizer_did_not_come_is_not_taken_for_one_without(machine):
    """RoBERTa's configuration names its special ids: without a word it would run, under another mapping."""
    folder = machine.cache("lab/tiny") / "snapshots" / ("a" * 40)
    shutil.copytree(TINY, folder, ignore=shutil.ignore_patterns("tokenizer*", "vocab*"))
    (said,) = fetched(machine, NOWHERE, "lab/tiny@" + "a" * 40, offline=True)

    assert (
        "model 'lab/tiny' at commit aaaaaaa: not all of it is in the hub cache, and the hub was not asked (HF_HUB_OFFLINE); run once where the hub can be reached"
    ) == said
