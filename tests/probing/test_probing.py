"""`discbench probe`: names become measurements, measurements are stored once, and what cannot be compared is refused."""

import io
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner

import discbench
from discbench import Classes, Dataset, Probe, RandomTable, Row, Splits, Task, accuracy, hookimpl
from discbench.cli import cli
from discbench.data import rows
from discbench.errors import NoSuchName, PluginError, UserError
from discbench.plugins import registry
from discbench.results import board
from discbench.results.store import Store
from discbench.testing import tiny_checkpoint

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

    from discbench.models import building as models
    from discbench.probes import pwcca
    from discbench.values.checkpoints import locate
    from discbench.values.mapping import draw_table

    task, found = registry.tasks(registry.plugins())["formal.factor"], locate(str(model))
    vocabulary = models.vocabulary_of(found)
    table = dict(zip(task.mapping.alphabet, draw_table(task.mapping, "random", vocabulary, 0), strict=True))
    sides = []
    for init in ("pretrained", "scratch"):
        body = models.build(found, init, 2, 0, vocabulary).base_model.eval()
        states = []
        test = task.dataset.load().test
        for row in (test[i] for i in rows.chosen(len(test), 8, 1.0, 0)):
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
    again = probe(model, done[0], "--against", "scratch")

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
    wide = tiny_checkpoint(tmp_path / "wide", hidden_size=24, initializer_range=0.3)
    words = ["--against", str(wide), "--probes", "pwcca", "--layers", "0,1,-1", "--json"]
    made = json.loads(probe(model, tmp_path / "r", *words).stdout)

    assert [0, 1, -1] == made[0]["figure"]["layers"]
    assert 3 == len({round(value, 3) for value in made[0]["figure"]["pwcca_x"]})
    assert made[0]["values"]["pwcca_x"] == made[0]["figure"]["pwcca_x"][-1]


def test_as_published_is_another_measurement_drawn_by_hash_where_rows_have_no_order_of_their_own(model, done, tmp_path):
    made = json.loads(probe(model, tmp_path, "--probes", "pwcca", "--as-published", "--json").stdout)[0]
    plain = next(r for r in Store(done[0]).probes() if r["probe"]["probe"] == "pwcca@1")

    assert [(False, "hash"), (True, "hash")] == [
        (r["probe"]["as_published"], r["probe"]["draw"]) for r in (plain, made)
    ]
    assert plain["id"] != made["id"]
    assert {"pwcca_x", "n"} == set(made["values"])


def test_all_as_published_recipes_repeat_although_dropout_is_on(model, tmp_path):
    words = ["--as-published", "--probes", "pwcca,attention,perturbation", "--json"]
    first, second = (json.loads(probe(model, tmp_path / name, *words).stdout) for name in ("a", "b"))

    assert 4 == len(first)
    assert [r["values"] for r in first] == [r["values"] for r in second]


def test_another_width_is_compared_by_pwcca(model, tmp_path):
    wide = tiny_checkpoint(tmp_path / "wide", hidden_size=24, initializer_range=0.3)
    made = json.loads(probe(model, tmp_path / "r", "--against", str(wide), "--probes", "pwcca", "--json").stdout)

    assert (16, 24) == (made[0]["values"]["width_x"], made[0]["values"]["width_y"])


@pytest.fixture
def deep(tmp_path):
    return tiny_checkpoint(tmp_path / "deep", num_hidden_layers=3)


@pytest.mark.parametrize(
    ("shape", "words"),
    [({"num_hidden_layers": 3}, ("2", "layers", "3")), ({"num_attention_heads": 4}, ("2", "heads", "4"))],
)
def test_attention_of_another_depth_or_number_of_heads_is_refused_when_it_was_named(model, tmp_path, shape, words):
    other = tiny_checkpoint(tmp_path / "other", **shape)
    made = probe(model, tmp_path / "r", "--against", str(other), "--probes", "attention,pwcca")
    mine, what, its = words

    assert (2, "") == (made.exit_code, made.stdout)
    assert (
        f"error: attention of 'small-bert' with {mine} {what} against 'other' with {its} was asked, but {what} are matched"
        " one to one; give --against scratch or a model of the same shape\n"
    ) == made.stderr
    assert [] == list(Store(tmp_path / "r").probes())


def test_what_cannot_be_taken_is_left_out_and_told_when_no_probe_was_named(model, deep, tmp_path):
    made = probe(model, tmp_path / "r", "--against", str(deep))

    assert 0 == made.exit_code
    assert made.stderr.startswith("left out: attention of 'small-bert' with 2 layers against 'deep' with 3 was asked")
    assert {"gradients@1", "isometry@1", "perturbation@1", "pwcca@1"} == {
        r["probe"]["probe"] for r in Store(tmp_path / "r").probes()
    }


def test_too_few_tokens_are_refused_with_the_number_that_is_needed(model, tmp_path):
    made = probe(model, tmp_path, "--rows", "1", "--probes", "pwcca")

    assert (2, "") == (made.exit_code, made.stdout)
    assert (
        "error: pwcca of 1 rows of formal.factor@1 was asked: 14 tokens for 16 features, where CCA is 1 for any data;"
        " 160 tokens are needed, give --rows 12\n"
    ) == made.stderr


def test_a_task_that_is_too_small_for_the_width_is_told(tmp_path):
    wide = tiny_checkpoint(tmp_path / "wide", hidden_size=800, num_hidden_layers=1)
    made = probe(wide, tmp_path / "r", "--probes", "pwcca")

    assert (
        "error: pwcca of 8 rows of formal.factor@1 was asked: 112 tokens for 800 features, where CCA is 1 for any data;"
        " 8000 tokens are needed, the test split of formal.factor@1 has 512 rows; take a task with more\n"
    ) == made.stderr


def test_models_that_cut_text_differently_have_no_partners(model, tmp_path):
    import numpy as np

    from discbench.errors import UserError
    from discbench.models.inputs import Inputs
    from discbench.probing.measuring import Given, partners

    def given(*lengths, around=(1, 1)):
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        return Given(Inputs(np.zeros(offsets[-1], int), offsets, np.zeros(len(lengths)), 0), around)

    assert partners(given(5, 7), given(5, 7))
    assert not partners(given(5, 7), given(4, 6, around=(0, 1)))
    with pytest.raises(UserError) as error:
        partners(given(5, 7), given(5, 8))
    assert (
        "the models read the same rows as 12 and 13 tokens, so that tokens have no partners; take a task with an alphabet,"
        " or a model with the same tokenizer"
    ) == str(error.value)
    with pytest.raises(UserError):
        partners(given(5, 7), given(4, 6, around=(0, 1)), same_places=True)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--probes", "pwca"), "no probe matches 'pwca'; did you mean 'pwcca'? `discbench probes` lists them"),
        (("--layers", "last"), "--layers 'last': whole numbers with commas between were expected, such as 0,3,-1"),
        (
            ("--layers", "5", "--probes", "pwcca"),
            (
                "layer 5 of 'small-bert' was asked, which has 2 layers; give --layers 0 for its input, 1 to 2 for its layers,"
                " -1 for the last"
            ),
        ),
        (("--seeds", "0"), "--seeds 0: no seed, no measurement; give 1 or more"),
        (
            ("--against", "pretrained"),
            "'small-bert' pretrained would be measured against itself; give another --against",
        ),
        (
            ("--init", "scrach"),
            "no init 'scrach'; did you mean 'scratch'? there are pretrained, scratch, reembedded",
        ),
        (
            ("--against", "frozen"),
            "--against frozen: it has the weights of pretrained, training only tells them apart",
        ),
        (("--against", "baseline:kmer"), "'baseline:kmer' has no weights to measure; give a checkpoint"),
        (
            ("--probes", "gradients", "--as-published"),
            (
                "gradients of 8 rows of formal.factor@1 were asked, 32 to a gradient, but a cosine needs two gradients;"
                " give --rows 64 or more"
            ),
        ),
        (
            ("--probes", "gradients", "--rows", "1"),
            (
                "gradients of 1 rows of formal.factor@1 were asked, 1 to a gradient, but a cosine needs two gradients;"
                " give --rows 2 or more"
            ),
        ),
        (
            ("--probes", "attention", "--rows", "1", "--as-published"),
            "attention as published of 1 rows was asked, but it takes row numbers for heads; give --rows 2 or more",
        ),
    ],
)
def test_what_cannot_be_asked_is_told_in_one_line(model, tmp_path, more, message):
    made = probe(model, tmp_path, *more)

    assert (2, f"error: {message}\n") == (made.exit_code, made.stderr)


def test_a_baseline_has_nothing_to_measure(tmp_path):
    made = probe("baseline:majority", tmp_path)

    assert (2, "error: 'baseline:majority' has no weights to measure; give a checkpoint\n") == (
        made.exit_code,
        made.stderr,
    )


def test_one_failure_is_recorded_with_its_cause_and_the_rest_goes_on(tmp_path):
    import torch
    from transformers import AutoModel

    folder = tiny_checkpoint(tmp_path / "broken")
    whole = AutoModel.from_pretrained(folder)
    torch.nn.init.constant_(whole.encoder.layer[-1].output.dense.bias, float("nan"))
    whole.save_pretrained(folder)
    made = probe(folder, tmp_path / "r", "--probes", "attention,pwcca")
    found = {r["probe"]["probe"]: r for r in Store(tmp_path / "r").probes()}

    assert 1 == made.exit_code
    cause = "x of shape (112, 16) has NaN or infinity in 112 rows; mend the model or its input"
    assert f"failed: pwcca@1 of broken on formal.factor@1: {cause}\nmeasured 1, 1 failed; results in " in made.stderr
    assert ("failed", cause, {}) == tuple(found["pwcca@1"][name] for name in ("status", "cause", "values"))
    assert "finished" == found["attention@1"]["status"]
    assert ["attention@1"] == [p["probe"]["probe"] for p in board.build([], found.values())["probes"]]
    assert "measured 0, 1 failed, kept 1; " in probe(folder, tmp_path / "r", "--probes", "attention,pwcca").stderr


def test_several_seeds_are_several_draws_and_one_column_of_the_table(model, tmp_path):
    words = ["--probes", "attention", "--seeds", "3"]
    made = json.loads(probe(model, tmp_path, *words, "--json").stdout)
    text = probe(model, tmp_path, *words).stdout

    assert [(0, 0, 0), (1, 1, 1), (2, 2, 2)] == [
        (r["probe"]["model"]["seed"], r["probe"]["against"]["seed"], r["probe"]["mapping_seed"]) for r in made
    ]
    assert 3 == len({r["values"]["mean"] for r in made})
    assert "mean ± sd of 3 seeds" in text
    assert 2 == text.count("small-bert")


def test_scratch_against_scratch_compares_two_draws(model, tmp_path):
    made = json.loads(probe(model, tmp_path, "--init", "scratch", "--probes", "attention", "--json").stdout)[0]

    assert [0, 1000] == [made["probe"][side]["seed"] for side in ("model", "against")]
    assert made["values"]["mean"] > 0


def test_without_against_it_says_what_it_compares_with(done):
    assert done[1].stderr.startswith(
        "compared with its scratch twin: the same architecture, every weight random (--against)\n"
    )


def test_other_layers_are_measured_anew_only_by_probes_that_read_them(model, done):
    before = len(list(Store(done[0]).probes()))
    made = probe(model, done[0], "--layers", "1,2")

    assert 0 == made.exit_code
    assert before + 1 == len(list(Store(done[0]).probes()))


def test_a_decoder_is_measured_where_it_sees_the_row(tmp_path):
    decoder = tiny_checkpoint(
        tmp_path / "gpt",
        model_type="gpt2",
        n_layer=2,
        n_embd=16,
        n_head=2,
        n_positions=64,
        bos_token_id=2,
        eos_token_id=3,
    )
    made = json.loads(probe(decoder, tmp_path / "r", "--json", "--init", "scratch").stdout)
    values = {r["probe"]["probe"]: r["values"] for r in made}

    assert {-1} == {values[name]["position"] for name in ("isometry@1", "perturbation@1")}
    assert values["isometry@1"]["log10_q5"] > -6


def test_rows_of_one_label_are_told():
    from types import SimpleNamespace

    import torch
    from transformers import BertConfig, BertForSequenceClassification

    from discbench.probes.measures import gradients_of
    from discbench.probing.measuring import Batch

    torch.manual_seed(0)
    shape = {
        "vocab_size": 30,
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "intermediate_size": 8,
    }
    ids = torch.randint(5, 30, (4, 6))
    mask = torch.ones_like(ids)

    def found(labels):
        batch = Batch({"input_ids": ids, "attention_mask": mask}, torch.tensor(labels), [0, 1, 2, 3], mask.bool())
        subject = SimpleNamespace(
            model=BertForSequenceClassification(BertConfig(**shape)).eval(),
            batches=lambda _: iter([batch]),
            tell_share=lambda _: None,
        )
        return gradients_of(subject, SimpleNamespace(limit=4, as_published=False))["warnings"]

    assert ["all 4 rows have one label, so that gradients agree"] == found([1, 1, 1, 1])
    assert [] == found([0, 1, 1, 1])


def test_a_card_says_what_a_probe_promises():
    lines = CliRunner().invoke(cli, ["probes", "attention"]).stdout.splitlines()

    assert "attention@1" == lines[0]
    assert "  invariant to     head_order, row_order, padding, symmetric, identity" in lines
    assert "  identical models mean 0, sd 0" in lines
    listed = CliRunner().invoke(cli, ["probes"]).stdout.splitlines()
    assert ["attention@1", "gradients@1", "isometry@1", "perturbation@1", "pwcca@1"] == [
        x.split()[0] for x in listed if "@1" in x
    ]


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
    assert "plugins 'probes' and 'mine' both offer probe 'pwcca'; set DISCBENCH_BLOCK=mine to run without it" == str(
        error.value
    )


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ([1], "must return a dict with numbers by name under 'values', found [1]"),
        ({"values": {}}, "must return a dict with numbers by name under 'values', found {'values': {}}"),
        ({"values": {"x": float("nan")}}, "x is nan; values are finite numbers or None"),
        ({"values": {"x": "1.0"}}, "x is '1.0'; values are finite numbers or None"),
        ({"values": {"x": True}}, "x is True; values are finite numbers or None"),
        ({"values": {"x": 10**400}}, f"x is 1{79 * '0'}; values are finite numbers or None"),
        ({"values": {"x": np.eye(2)}}, "x is array([[1., 0.], [0., 1.]]); values are finite numbers or None"),
        (np.eye(2), "must return a dict with numbers by name under 'values', found array([[1., 0.], [0., 1.]])"),
        ({"values": {1: 1.0}}, "a value is named 1; names are words"),
        ({"values": {"x": 1.0}, "vlues": 1}, "it returned 'vlues'; an answer has values, figure, warnings"),
        ({"values": {"x": 1.0}, "warnings": "few"}, "warnings are 'few'; a list of sentences was expected"),
        ({"values": {"x": 1.0}, "figure": {"y": [float("inf")]}}, "; lists and dicts of finite numbers can"),
        (
            {"values": {"x": 1.0}, "figure": [0] * 400_000},
            "its figure has 1,200,000 characters; keep it under 1,000,000, as histograms or samples",
        ),
    ],
)
def test_what_a_probe_must_not_return_is_named(answer, cause):
    from discbench.probing.answers import checked

    mine = Probe(name="mine", version=1, about="", measure=print)
    with pytest.raises(TypeError) as error:
        checked(mine, answer)
    assert str(error.value).endswith(cause)


def test_numbers_of_numpy_and_torch_are_kept_as_plain_ones():
    import torch

    from discbench.probing.answers import checked

    mine = Probe(name="mine", version=1, about="", measure=print)
    values = {"a": np.float32(0.5), "b": torch.tensor(2.0), "c": 3, "d": None}

    assert {"a": 0.5, "b": 2.0, "c": 3, "d": None} == checked(mine, {"values": values})["values"]


@pytest.mark.parametrize(
    "fields, told",
    [
        ({"measure": "x"}, "probe 'mine': measure is a function, but 'x' was given"),
        ({"rows": 0}, "probe 'mine' takes 0 rows; give a whole number from 1"),
        ({"version": True}, "probe 'mine' has version True; give a whole number from 1"),
        ({"invariances": "padding"}, "probe 'mine': invariances are a tuple of words, but 'padding' was given"),
    ],
)
def test_a_probe_of_parts_that_do_not_fit_is_refused_when_it_is_made(fields, told):
    with pytest.raises(PluginError) as error:
        Probe(**{"name": "mine", "version": 1, "about": "", "measure": print, **fields})

    assert told == str(error.value)


def test_a_probe_name_is_one_word():
    with pytest.raises(PluginError, match="probe name 'Two words' is not one word in lower case"):
        Probe(name="Two words", version=1, about="", measure=print)


def test_python_measures_what_the_command_line_measures_and_finds_it_in_the_store(model, tmp_path):
    words = ["--model", model, "--tasks", "formal.markov", "--probes", "pwcca,gradients", "--rows", 40]
    done = CliRunner().invoke(cli, ["probe", *map(str, words), "--json", "--results", str(tmp_path)])
    stream = io.StringIO()

    found = discbench.probe(model, "formal.markov", probes="pwcca,gradients", rows=40, results=tmp_path, stream=stream)

    assert json.loads(done.stdout) == json.loads(json.dumps(list(found)))
    assert (3, 3, []) == (len(found), found.kept, found.failed)
    assert ["measured nothing: everything was in the store; results in here"] == found.closing(Path("here"))
    assert {"pwcca_x", "null_pwcca_x"} <= set(found.values("pwcca", "formal.markov")[0])
    assert 2 == len(found.values("gradients@1", "formal.markov@1"))
    assert "pwcca@1 on formal.markov@1" in str(found)
    assert "<th>pwcca@1 on formal.markov@1</th><th>small-bert<br>pretrained<br>against<br>small-bert<br>scratch" in (
        found._repr_html_()
    )


def test_asking_measurements_for_what_is_not_there_names_what_is(model, tmp_path):
    found = discbench.probe(model, "formal.markov", probes="perturbation", rows=2, results=tmp_path)

    with pytest.raises(NoSuchName) as error:
        found.values("pwca", "formal.markov")
    assert "no finished 'pwca' on 'formal.markov'; there are perturbation@1 on formal.markov@1" == str(error.value)


def test_a_task_and_a_probe_made_on_the_spot_are_measured_the_probe_anew_by_every_call(model, tmp_path):
    turns = iter(range(10))
    words = [f"{number:05b}".replace("0", "a").replace("1", "b") for number in range(32)]
    rows_of = [Row(word, word.count("a") % 2) for word in words]
    data = Dataset(
        lambda: Splits(train=rows_of[:20], validation=rows_of[20:26], test=rows_of[26:]), license="x", cite="x"
    )
    task = Task(name="toy.odd", version=1, dataset=data, mapping=RandomTable("ab"), target=Classes(2), metric=accuracy)

    def measure(subject, measurement):
        return {"values": {"turn": next(turns), "rows": sum(len(batch.rows) for batch in subject.batches(4))}}

    mine = Probe(name="mine", version=1, about="", measure=measure)
    of = {"results": tmp_path, "stream": io.StringIO(), "probes": [mine, "gradients"]}

    first, second = (discbench.probe(model, task, **of) for _ in range(2))

    assert [{"turn": 0, "rows": 6}, {"turn": 1, "rows": 6}] == first.values("mine", "toy.odd")
    assert [{"turn": 2, "rows": 6}, {"turn": 3, "rows": 6}] == second.values("mine", "toy.odd")
    assert (0, 2) == (first.kept, second.kept)


def test_a_probe_made_on_the_spot_with_a_taken_name_is_refused(model, tmp_path):
    with pytest.raises(PluginError) as error:
        discbench.probe(model, "formal.markov", probes=Probe(name="pwcca", version=1, about="", measure=print))

    assert "plugins 'probes' and 'given from Python' both offer probe 'pwcca'" == str(error.value)


def test_a_seed_from_python_is_a_whole_number_from_0(model, tmp_path):
    with pytest.raises(UserError) as error:
        discbench.probe(model, "formal.markov", seeds=[0, -1], results=tmp_path)

    assert "seed -1: whole numbers from 0 were expected" == str(error.value)
