"""Every architecture family that transformers serves: inits, pooling, padding, positions, whole cells."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

from discbench import Classes, Dataset, RandomTable, Row, Splits, Task, accuracy
from discbench.data.rows import Encoded
from discbench.errors import CheckpointError, UserError
from discbench.models import building as models
from discbench.models import families, soundness
from discbench.models.inputs import to_inputs
from discbench.sweeps import plan
from discbench.testing import tiny_checkpoint
from discbench.training import answers, finetune
from discbench.training.run import Bench
from discbench.values.cells import INITS, Request
from discbench.values.checkpoints import locate
from discbench.values.place import Place

LIMIT = 40
TABLES = (
    "bert", "roberta", "albert", "electra", "distilbert", "deberta", "mpnet", "big_bird", "longformer", "bart", "gpt2",
    "opt",
)  # fmt: skip
ROTARY = ("modernbert", "llama", "qwen3", "gpt_neox", "esm", "funnel", "deberta-v2")
UNLIMITED = ("xlnet", "t5", "bloom")
EVERY = (*TABLES, *ROTARY, *UNLIMITED)
USABLE = {"roberta": LIMIT - 1, "longformer": LIMIT - 1, "mpnet": LIMIT - 2}
"""Of the table's rows RoBERTa's kind leaves out those up to the padding id (0 here; MPNet's is always 1)."""


def counting(rows, seed):
    """Rows of 3 to 9 letters; does `a` come first? Lengths differ, so that batches are padded."""
    draws = np.random.RandomState(seed)
    words = ["".join(draws.choice(list("abcd"), draws.randint(3, 10))) for _ in range(rows)]
    return [Row(word, int(word.startswith(("a", "b")))) for word in words]


FIRST = Task(
    name="formal.first",
    version=1,
    dataset=Dataset(
        lambda: Splits(train=counting(24, 0), validation=counting(16, 1), test=counting(17, 2)),
        license="CC0-1.0",
        cite="",
    ),
    mapping=RandomTable("abcd"),
    target=Classes(2),
    metric=accuracy,
)


@pytest.fixture(scope="module", params=EVERY)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def found(family, tmp_path_factory):
    """A checkpoint of the family, on disk, with a tokenizer; its weights are large, so that what they do is seen."""
    shape = {} if family in UNLIMITED else {"max_position_embeddings": LIMIT}
    shape |= {"position_biased_input": False} if family == "deberta-v2" else {}
    folder = tiny_checkpoint(tmp_path_factory.mktemp(family) / family, model_type=family, **shape)
    file = folder / "model.safetensors"
    save_file({n: w * 10 if w.ndim > 1 else w for n, w in load_file(file).items()}, file, {"format": "pt"})
    return locate(str(folder))


@pytest.fixture(scope="module")
def vocabulary(found):
    return models.vocabulary_of(found)


def state(model):
    """The weights, tied ones once."""
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def rows_of(vocabulary, *lengths):
    """Rows of so many tokens, special ones included."""
    around = len(vocabulary.prefix) + len(vocabulary.suffix)
    ends = np.cumsum([0, *(length - around for length in lengths)])
    codes = np.random.RandomState(0).randint(0, 20, ends[-1]).astype(np.uint16)
    return to_inputs(Encoded(codes, ends, np.zeros(len(lengths))), vocabulary.regular, vocabulary, None)


@torch.no_grad()
def logits(model, inputs, rows):
    model.eval()
    return answers.logits(model, replace(inputs, left=families.pads_left(model)).batch(rows)).numpy()


def test_each_init_is_trained_and_scored_and_repeats(found, vocabulary, tmp_path):
    bench = Bench(Place(results=tmp_path))
    overrides = {"epochs": "1", "batch": "8", "lr": "1e-3"}
    request = Request(inits=INITS, seeds=(0,), recipe="quick", overrides=overrides)
    cells = plan.cells([found], [FIRST], {FIRST.name: bench.rows_of(FIRST).sha256}, request)
    bench.check(found, cells, {FIRST.id: FIRST})
    results = {cell.init: bench.run(cell, found, FIRST, lambda *_: None) for cell in cells}

    assert [None] * 4 == [result.get("cause") for result in results.values()]
    assert all(np.isfinite(result["scores"]["test"]["accuracy"]) for result in results.values())
    assert [3] * 4 == [len(result["curve"]["loss"]) for result in results.values()]
    fresh = sum(p.numel() for p in models.build(found, "frozen", 2, 0, vocabulary).parameters() if p.requires_grad)
    assert fresh == results["frozen"]["counts"]["trained_parameters"]
    assert results["scratch"]["counts"]["parameters"] == results["scratch"]["counts"]["trained_parameters"]


def test_scratch_is_the_librarys_own_random_init_bit_for_bit(found, vocabulary):
    config = AutoConfig.from_pretrained(found.location)
    config.num_labels, config.pad_token_id = 3, vocabulary.pad
    torch.manual_seed(7)
    wanted = state(AutoModelForSequenceClassification.from_config(config))
    model = models.build(found, "scratch", 3, 7, vocabulary)
    scratch, pretrained = state(model), state(models.build(found, "pretrained", 3, 7, vocabulary))
    drawn = [n for n, w in wanted.items() if len(w.unique()) > 1 and n.startswith(model.base_model_prefix + ".")]

    assert list(wanted) == list(scratch) == list(pretrained)
    assert all(torch.equal(wanted[name], scratch[name]) for name in wanted)
    assert len(drawn) > 5
    assert not [name for name in drawn if ".pooler." not in name and torch.equal(scratch[name], pretrained[name])]


def test_reembedded_changes_the_word_embeddings_only(found, vocabulary):
    built = {init: models.build(found, init, 3, 7, vocabulary) for init in ("pretrained", "reembedded", "scratch")}
    one, other = state(built["pretrained"]), state(built["reembedded"])
    words = [
        n for n, p in built["reembedded"].named_parameters() if p is built["reembedded"].get_input_embeddings().weight
    ]

    assert words == [name for name in one if not torch.equal(one[name], other[name])]
    assert torch.equal(other[words[0]], state(built["scratch"])[words[0]])


def test_pretrained_is_the_checkpoint(found, vocabulary):
    model = models.build(found, "pretrained", 3, 7, vocabulary)
    file = load_file(f"{found.location}/model.safetensors")
    own = {f"{model.base_model_prefix}.{name}": weight for name, weight in file.items()}
    named = model.state_dict()

    shared = [name for name in own if name in named]
    assert len(shared) > 10
    assert all(torch.equal(own[name], named[name]) for name in shared)


def test_frozen_trains_what_the_checkpoint_does_not_bring(found, vocabulary):
    model = models.build(found, "frozen", 3, 0, vocabulary)
    body = AutoModel.from_pretrained(found.location)
    brought = {f"{model.base_model_prefix}.{name}" for name, _ in body.named_parameters()}
    learning = {name for name, weight in model.named_parameters() if weight.requires_grad}
    name, _ = families.head_of(model, 3)

    assert f"{name}.weight" in learning
    assert learning == {name for name, _ in model.named_parameters()} - brought


def test_a_row_is_answered_the_same_alone_and_in_a_padded_batch(found, vocabulary):
    model = models.build(found, "pretrained", 3, 0, vocabulary)
    inputs = rows_of(vocabulary, 5, 17, 4, 30)
    together = logits(model, inputs, [0, 1, 2, 3])
    alone = np.concatenate([logits(model, inputs, [row]) for row in range(4)])

    spread = np.ptp(alone, axis=0).max()
    assert spread > 1e-6
    assert np.abs(together - alone).max() < 1e-4 * spread
    assert soundness.padding_leak(model, vocabulary, 4, 30) < soundness.TOLERANCE


def test_the_last_symbol_counts(found, vocabulary):
    """A decoder that read padding, or a symbol taken for padding, would not see it."""
    model = models.build(found, "pretrained", 3, 0, vocabulary)
    inputs = rows_of(vocabulary, 9, 9, 20)
    last = inputs.offsets[1] - len(vocabulary.suffix) - 1
    inputs.ids[inputs.offsets[1] : inputs.offsets[2]] = inputs.ids[: inputs.offsets[1]]
    inputs.ids[last] = vocabulary.regular[50]
    answers = logits(model, inputs, [0, 1, 2])

    assert np.abs(answers[0] - answers[1]).max() > 1e-3 * np.abs(answers).max()


def test_no_symbol_can_take_an_id_of_padding(found, vocabulary):
    config = AutoConfig.from_pretrained(found.location)

    assert set() == {vocabulary.pad, config.pad_token_id} & {*vocabulary.regular, *vocabulary.unused}


def test_rows_may_be_as_long_as_the_positions_reach_and_no_longer(found, vocabulary, family):
    model = models.build(found, "scratch", 2, 0, vocabulary)
    limit = families.position_limit(model)

    assert limit == (None if family in UNLIMITED else USABLE.get(family, LIMIT))
    assert np.isfinite(logits(model, rows_of(vocabulary, limit or 200), [0])).all()
    if limit is not None:
        with pytest.raises(CheckpointError, match=f"rows of {limit + 1} tokens .* with {limit} positions; cut them"):
            finetune.check_lengths(model, (rows_of(vocabulary, limit + 1),))
    if family in TABLES:
        assert limit == families.position_limit(model, max_tokens=200)
        with pytest.raises((IndexError, RuntimeError, ValueError)):
            logits(model, rows_of(vocabulary, limit + 1), [0])
    else:
        finetune.check_lengths(model, (rows_of(vocabulary, 200),), max_tokens=200)
        assert np.isfinite(logits(model, rows_of(vocabulary, 200), [0])).all()


def test_a_body_weight_that_is_not_in_the_file_is_refused(found, tmp_path):
    """Transformers would leave it random, with a warning."""
    weights = load_file(f"{found.location}/model.safetensors")
    model = models.build(found, "scratch", 2, 0, models.vocabulary_of(found))
    body = model.base_model.state_dict()
    lost = next(
        n for n, w in weights.items() if n in body and w.shape in {(16, 16), (32, 16), (16, 32), (16, 48), (48, 16)}
    )
    copied = tmp_path / "copy"
    copied.mkdir()
    for file in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (copied / file).write_bytes((type(tmp_path)(found.location) / file).read_bytes())
    save_file({n: w for n, w in weights.items() if n != lost}, copied / "model.safetensors", {"format": "pt"})

    with pytest.raises(CheckpointError, match="weights of its body are not in the checkpoint"):
        models.build(locate(str(copied)), "pretrained", 2, 0, models.vocabulary_of(found))


@pytest.mark.parametrize("kind", ["gpt2", "llama", "qwen3", "gpt_neox"])
def test_a_decoder_answers_from_the_last_token_that_is_not_padding(kind, tmp_path):
    found = locate(str(tiny_checkpoint(tmp_path / kind, model_type=kind)))
    vocabulary = models.vocabulary_of(found)
    model = models.build(found, "pretrained", 3, 0, vocabulary)
    inputs = rows_of(vocabulary, 6, 11)
    with torch.no_grad():
        last = model.base_model(inputs.batch([0])["input_ids"]).last_hidden_state[:, -1]
        wanted = model.score(last).numpy()

    assert np.allclose(wanted, logits(model, inputs, [0, 1])[:1], rtol=1e-4, atol=1e-8)


def checked(found, task, tmp_path, **overrides):
    """Look at a checkpoint as a sweep does before its first cell."""
    bench = Bench(Place(results=tmp_path / "results"))
    request = Request(seeds=(0,), recipe="quick", overrides=overrides)
    bench.check(found, plan.cells([found], [task], {task.name: bench.rows_of(task).sha256}, request), {task.id: task})


@pytest.mark.parametrize("kind", ["fnet", "convbert"])
def test_a_model_that_reads_padding_is_refused_unless_all_rows_have_one_length(kind, tmp_path):
    found = locate(str(tiny_checkpoint(tmp_path / kind, model_type=kind)))
    even = [Row(a + b, int(a == b)) for a in "abcd" for b in "abcd"]
    square = Task(
        name="formal.square", version=1, mapping=RandomTable("abcd"), target=Classes(2), metric=accuracy,
        dataset=Dataset(lambda: Splits(train=even[:8], validation=even[8:12], test=even[12:]), license="CC0-1.0", cite=""),
    )  # fmt: skip

    with pytest.raises(CheckpointError, match=f"5 to 11 tokens, but '{kind}' .* does not keep padding apart"):
        checked(found, FIRST, tmp_path)
    checked(found, square, tmp_path)


def test_a_model_without_token_ids_is_refused(tmp_path):
    AutoConfig.for_model("canine").save_pretrained(tmp_path / "canine")
    (tmp_path / "canine" / "model.safetensors").write_bytes(b"")

    with pytest.raises(CheckpointError, match="'canine', whose config names no vocab_size: it has no token ids"):
        models.vocabulary_of(locate(str(tmp_path / "canine")))


def test_an_encoder_decoder_must_read_its_end_of_sequence_id(tmp_path):
    folder = tiny_checkpoint(tmp_path / "t5", model_type="t5", tokenizer=False)
    wrong, right = (locate(str(folder), {"cls": 2, "sep": sep, "pad": 0}) for sep in (5, 3))

    with pytest.raises(
        CheckpointError, match=r"end-of-sequence id 3, but rows would end with \(5,\); give --special sep=3"
    ):
        models.build(wrong, "scratch", 2, 0, models.vocabulary_of(wrong))
    assert 3 == models.build(right, "scratch", 2, 0, models.vocabulary_of(right)).config.eos_token_id


def test_the_head_is_fresh_even_where_the_checkpoint_has_one_of_the_same_width(tmp_path, checkpoint_directory):
    found = locate(str(checkpoint_directory))
    vocabulary = models.vocabulary_of(found)
    models.build(found, "pretrained", 3, 1, vocabulary).save_pretrained(tmp_path / "tuned")
    for file in ("vocab.txt", "tokenizer.json", "tokenizer_config.json"):
        if (checkpoint_directory / file).is_file():
            (tmp_path / "tuned" / file).write_bytes((checkpoint_directory / file).read_bytes())
    tuned = locate(str(tmp_path / "tuned"))
    heads = {
        name: families.head_of(models.build(place, init, 3, seed, vocabulary), 3)[1].weight
        for name, place, init, seed in (
            ("stored", found, "pretrained", 1), ("fresh", tuned, "pretrained", 0), ("scratch", tuned, "scratch", 0),
        )
    }  # fmt: skip

    assert not torch.equal(heads["stored"], heads["fresh"])
    assert torch.equal(heads["scratch"], heads["fresh"])
    assert any(p.requires_grad for p in models.build(tuned, "frozen", 3, 0, vocabulary).parameters())


def test_half_precision_that_the_cpu_lacks_is_refused_before_training(checkpoint_directory, tmp_path):
    with pytest.raises(UserError, match="precision=fp16: half precision needs a GPU; on the CPU take precision=bf16"):
        checked(locate(str(checkpoint_directory)), FIRST, tmp_path, precision="fp16")
