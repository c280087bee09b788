"""`discbench probe`: names become measurements, measurements are stored once, and what cannot be compared is refused."""

import json

import jsonschema
import pytest
from click.testing import CliRunner

from discbench import Probe, board, hookimpl, registry
from discbench.cli import cli
from discbench.errors import PluginError
from discbench.store import Store
from discbench.testing import tiny_checkpoint
from discbench.testing_probe_values import check_probe_value

PROBES = ["attention", "gradients", "isometry", "perturbation", "pwcca"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("probed") / "small-bert", initializer_range=0.3)


def probe(model, results, *more):
    words = ["probe", "--model", str(model), "--tasks", "formal.factor", "--rows", "8", "--results", str(results)]
    return CliRunner().invoke(cli, [*words, *more])


@pytest.fixture(scope="module")
def done(model, tmp_path_factory):
    results = tmp_path_factory.mktemp("results")
    made = probe(model, results)
    assert 0 == made.exit_code, made.stderr
    return results, made


def test_five_probes_are_listed_without_torch_in_the_order_of_their_names():
    listed = json.loads(CliRunner().invoke(cli, ["probes", "--json"]).stdout)

    assert PROBES == [p["name"] for p in listed]
    assert {"attention": True, "pwcca": True} == {p["name"]: p["pair"] for p in listed if p["pair"]}


def test_pairs_are_measured_once_and_single_models_one_by_one(done):
    found = list(Store(done[0]).probes())

    assert 2 + 3 * 2 == len(found)
    assert {"attention@1", "pwcca@1"} == {r["probe"]["probe"] for r in found if r["probe"]["against"]}
    assert {("gradients@1", "pretrained"), ("gradients@1", "scratch")} <= {
        (r["probe"]["probe"], r["probe"]["model"]["init"]) for r in found
    }


def test_a_measurement_says_what_it_took_and_what_it_cost(done):
    result = next(r for r in Store(done[0]).probes() if r["probe"]["probe"] == "pwcca@1")
    values = result["values"]

    assert {"pwcca_x", "pwcca_y", "mean_cca", "svcca", "cka", "n", "rank_x", "rank_y", "null_pwcca_x"} <= set(values)
    assert (16, 16) == (values["width_x"], values["width_y"])
    assert 0 < values["null_pwcca_x"] < values["pwcca_x"] <= 1
    assert result["run"]["peak_memory_mib"] > 10
    assert result["run"]["seconds"] > 0


def test_values_are_those_of_the_library_function_on_the_same_rows(model, done):
    import numpy as np
    import torch

    from discbench import models
    from discbench.checkpoints import locate
    from discbench.mapping import draw_table
    from discbench.probes import pwcca

    task, found = registry.tasks(registry.plugins())["formal.factor"], locate(str(model))
    vocabulary = models.vocabulary_of(found)
    table = dict(zip(task.mapping.alphabet, draw_table(task.mapping, "random", vocabulary, 0), strict=True))
    sides = []
    for init in ("pretrained", "scratch"):
        body = models.build(found, init, 2, 0, vocabulary).base_model.eval()
        states = []
        for row in task.dataset.load().test[:8]:
            ids = [*vocabulary.prefix, *(table[s] for s in row.symbols), *vocabulary.suffix]
            with torch.no_grad():
                states.append(body(input_ids=torch.tensor([ids])).last_hidden_state[0])
        sides.append(torch.cat(states).numpy().astype(np.float64))
    expected = pwcca.similarity(*sides)
    values = next(r for r in Store(done[0]).probes() if r["probe"]["probe"] == "pwcca@1")["values"]

    assert expected["n"] == values["n"]
    assert [expected[n] for n in ("pwcca_x", "pwcca_y", "cka")] == pytest.approx(
        [values[n] for n in ("pwcca_x", "pwcca_y", "cka")], abs=1e-4
    )


def test_the_same_again_measures_nothing(model, done):
    before = {path: path.stat().st_mtime_ns for path in done[0].glob("*/*/*/*.json")}
    again = probe(model, done[0])

    assert f"measured nothing: everything was in the store; results in {done[0]}\n" == again.stderr
    assert before == {path: path.stat().st_mtime_ns for path in done[0].glob("*/*/*/*.json")}
    assert done[1].stdout == again.stdout


def test_cells_and_measurements_share_a_store_and_a_board(done):
    store = Store(done[0])
    made = board.build(store.results(), store.probes())
    text = CliRunner().invoke(cli, ["board", "--results", str(done[0])])

    assert ([], 8) == (made["entries"], len(made["probes"]))
    jsonschema.validate(json.loads(board.to_bytes(made)), json.loads(board.SCHEMA.read_text()))
    assert "pwcca@1 on formal.factor@1" in text.stdout


def test_several_layers_are_told_apart(model, tmp_path):
    made = json.loads(probe(model, tmp_path, "--probes", "pwcca", "--layers", "0,1,-1", "--json").stdout)

    assert [0, 1, -1] == made[0]["figure"]["layers"]
    assert 3 == len(set(made[0]["figure"]["pwcca_x"]))
    assert made[0]["values"]["pwcca_x"] == made[0]["figure"]["pwcca_x"][-1]


def test_as_published_is_another_measurement_and_says_so(model, tmp_path):
    made = json.loads(probe(model, tmp_path, "--probes", "pwcca,isometry", "--as-published", "--json").stdout)

    assert {"pwcca@1": True, "isometry@1": False} == {r["probe"]["probe"]: r["probe"]["as_published"] for r in made}


def test_another_width_is_compared_by_pwcca(model, tmp_path):
    wide = tiny_checkpoint(tmp_path / "wide", hidden_size=24, initializer_range=0.3)
    made = json.loads(probe(model, tmp_path / "r", "--against", str(wide), "--probes", "pwcca", "--json").stdout)

    assert (16, 24) == (made[0]["values"]["width_x"], made[0]["values"]["width_y"])


@pytest.mark.parametrize(
    ("shape", "cause"),
    [
        ({"num_hidden_layers": 3}, "models of 2 and 3 layers have no layer-by-layer distance; take a twin"),
        ({"num_attention_heads": 4}, "differ in heads"),
    ],
)
def test_another_depth_or_number_of_heads_is_refused_by_attention_and_the_rest_goes_on(model, tmp_path, shape, cause):
    other = tiny_checkpoint(tmp_path / "other", **shape)
    made = probe(model, tmp_path / "r", "--against", str(other), "--probes", "attention,pwcca")

    assert 1 == made.exit_code
    assert cause in made.stderr
    assert "measured 1, 1 failed" in made.stderr


def test_too_few_tokens_are_refused_with_the_number_that_is_needed(model, tmp_path):
    made = probe(model, tmp_path, "--rows", "1", "--probes", "pwcca")

    assert 1 == made.exit_code
    assert "failed: pwcca@1 of small-bert on formal.factor@1: " in made.stderr
    assert "16" in made.stderr


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--probes", "pwca"), "no probe matches 'pwca'; did you mean 'pwcca'? `discbench probes` lists them"),
        (("--layers", "last"), "--layers 'last': whole numbers with commas between were expected, such as 0,3,-1"),
        (
            ("--against", "pretrained"),
            "'small-bert' pretrained would be measured against itself; give another --against",
        ),
        (("--init", "fresh"), "no init 'fresh'; there are pretrained, scratch, reembedded, frozen"),
        (("--against", "baseline:kmer"), "'baseline:kmer' has no weights to measure; give a checkpoint"),
    ],
)
def test_what_cannot_be_asked_is_told_in_one_line(model, tmp_path, more, message):
    made = probe(model, tmp_path, *more)

    assert (2, f"error: {message}\n") == (made.exit_code, made.stderr)


class Width:
    """A third party's probe."""

    @hookimpl
    def discbench_probes(self):
        return [
            Probe(
                name="width",
                version=1,
                about="hidden size",
                measure=lambda subject, _: {"values": {"width": subject.model.config.hidden_size}},
            )
        ]


def test_a_third_partys_probe_stands_beside_the_built_in_ones():
    known = registry.probes(registry.plugins([("width", Width())]))

    assert sorted([*PROBES, "width"]) == list(known)


def test_a_taken_name_names_both_plugins():
    class Taken:
        @hookimpl
        def discbench_probes(self):
            return [Probe(name="pwcca", version=1, about="", measure=print)]

    with pytest.raises(PluginError) as error:
        registry.probes(registry.plugins([("mine", Taken())]))
    assert "plugins 'probes' and 'mine' both offer probe 'pwcca'" == str(error.value)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ([1], "must return a dict with numbers by name under 'values', found [1]"),
        ({"values": {"x": float("nan")}}, "x is nan; values are finite or None"),
    ],
)
def test_what_a_probe_must_not_return_is_named(answer, cause):
    from discbench.probing import checked

    mine = Probe(name="mine", version=1, about="", measure=print)
    with pytest.raises(TypeError) as error:
        checked(mine, answer)
    assert str(error.value).endswith(cause)


def test_a_probe_name_is_one_word():
    with pytest.raises(PluginError, match="probe name 'Two words' is not one word in lower case"):
        Probe(name="Two words", version=1, about="", measure=print)


@pytest.mark.parametrize("name", PROBES)
def test_every_built_in_probe_repeats_and_leaves_the_models_as_they_were(name):
    check_probe_value(registry.probes(registry.plugins())[name])


def test_a_probe_that_changes_a_model_is_caught():
    def measure(subject, _):
        subject.tell(1)
        subject.model.classifier.bias.data += 1
        return {"values": {"x": 1.0}}

    with pytest.raises(
        AssertionError, match=r"mine: leaves the models as they were, but weight classifier\.bias changed"
    ):
        check_probe_value(Probe(name="mine", version=1, about="", measure=measure))
