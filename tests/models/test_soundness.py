"""What a checkpoint does is tried before its first cell; each refusal names the true reason."""

import copy
import re
from pathlib import Path

import pytest
import torch
import transformers
from torch import nn
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES

from discbench import Classes, Dataset, RandomTable, Row, Splits, Task, accuracy
from discbench.errors import CheckpointError, DiscbenchError
from discbench.executors import local
from discbench.models import building as models
from discbench.models import soundness, tables
from discbench.sweeps import plan
from discbench.testing import tiny_checkpoint
from discbench.training.run import Bench
from discbench.values.cells import Request
from discbench.values.checkpoints import locate
from discbench.values.jobs import Job
from discbench.values.place import Place

ROOT = Path(__file__).parents[2]


def words(*lengths):
    """A task with one row of each length, four times in each split."""
    rows = [Row("".join("abcd"[(i + k) % 4] for i in range(n)), k % 2) for n in lengths for k in range(4)]
    data = Dataset(lambda: Splits(train=rows, validation=rows, test=rows), license="CC0-1.0", cite="")
    return Task(
        name="formal.words", version=1, dataset=data, mapping=RandomTable("abcd"), target=Classes(2), metric=accuracy
    )


def made(tmp_path, kind, **shape):
    return locate(str(tiny_checkpoint(tmp_path / "MODEL", model_type=kind, **shape)))


def looked(found, task, tmp_path, inits=("pretrained", "scratch")):
    """Look at a checkpoint as a sweep does before its first cell."""
    bench = Bench(Place(results=tmp_path / "results"))
    request = Request(seeds=(0,), recipe="quick", overrides={}, inits=inits)
    bench.check(found, plan.cells([found], [task], {task.name: bench.rows_of(task).sha256}, request), {task.id: task})


def refused(found, task, tmp_path, **asked):
    with pytest.raises(CheckpointError) as told:
        looked(found, task, tmp_path, **asked)
    return str(told.value)


@pytest.mark.parametrize("lengths", [(9, 9), (3, 9)])
def test_a_bert_saved_as_a_decoder_does_not_see_its_rows(lengths, tmp_path):
    found = made(tmp_path, "bert", is_decoder=True)

    assert (
        "formal.words has rows of 11 tokens, but 'MODEL' (a 'bert') answers the same whatever their symbols are; its"
        " config.json says is_decoder, so that its first token sees no other: save it with is_decoder=false"
    ) == refused(found, words(*lengths), tmp_path)
    looked(made(tmp_path / "mended", "bert"), words(*lengths), tmp_path)


def test_mra_without_its_kernel_answers_from_the_first_token_alone(tmp_path):
    assert (
        "formal.words has rows of 14 tokens, but 'MODEL' (a 'mra') answers the same whatever their symbols are; a score"
        " would be chance; give a model that sees its rows"
    ) == refused(made(tmp_path, "mra"), words(12), tmp_path)


def test_a_model_that_sees_the_end_of_a_row_only_is_refused_for_long_rows(tmp_path):
    """Two layers with a window of four tokens reach seven tokens back."""
    found = made(tmp_path, "mistral", sliding_window=4)

    assert (
        "formal.words has rows of 36 tokens, but 'MODEL' (a 'mistral') answers the same whatever symbols stand at places"
        " 1 to 9 of 36; give a model that sees all of a row, or shorter rows with --set max_tokens"
    ) == refused(found, words(36), tmp_path)
    looked(found, words(6), tmp_path)


def test_a_model_whose_answers_hold_chance_is_refused_once_its_rows_exceed_a_chunk(tmp_path):
    told = refused(made(tmp_path, "reformer"), words(40), tmp_path, inits=("reembedded",))

    assert re.fullmatch(
        r"formal\.words has rows of 42 tokens, but 'MODEL' \(a 'reformer'\) answers one row differently each time, by"
        r" \d+\.\d% of what other symbols would change; give a model without chance in its answers, or shorter rows with"
        r" --set max_tokens",
        told,
    )


def test_a_length_that_an_architecture_cannot_take_is_told_in_its_own_words(tmp_path):
    found = made(tmp_path, "nystromformer", num_landmarks=4, segment_means_seq_len=16)

    assert re.fullmatch(
        r"formal\.words has rows of 20 tokens, but 'MODEL' \(a 'nystromformer'\) cannot answer them: RuntimeError: shape"
        r" '\[.*\]' is invalid for input of size \d+; it takes 16 tokens: cut them with --set max_tokens, or give another"
        r" model",
        refused(found, words(18), tmp_path),
    )
    looked(found, words(14), tmp_path, inits=("pretrained", "reembedded"))


@pytest.mark.parametrize("kind", ["gemma3", "qwen3_5", "modernvbert", "ultravbert"])
def test_a_composite_model_reads_its_answer_where_the_row_ends(kind, tmp_path):
    found = made(tmp_path, kind)
    vocabulary = models.vocabulary_of(found)
    model = models.build(found, "pretrained", 3, 0, vocabulary)

    assert vocabulary.pad == model.config.get_text_config().pad_token_id == model.config.pad_token_id
    looked(found, words(3, 14), tmp_path, inits=("pretrained", "scratch", "reembedded", "frozen"))


def test_an_id_of_padding_on_the_outer_configuration_alone_is_found_out(tmp_path):
    """The answer is then read at a place of padding, without a word."""
    found = made(tmp_path, "gemma3")
    vocabulary = models.vocabulary_of(found)
    model = models.build(found, "pretrained", 3, 0, vocabulary)
    model.config.get_text_config().pad_token_id = 299

    assert soundness.padding_leak(model, vocabulary, 4, 15) > 0.1


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("bert", ["bert.embeddings.word_embeddings.weight"]),
        ("t5", ["transformer.shared.weight"]),
        ("ibert", ["ibert.embeddings.word_embeddings.weight"]),
        ("t5gemma", ["model.decoder.embed_tokens.weight", "model.encoder.embed_tokens.weight"]),
    ],
)
def test_every_table_in_which_token_ids_are_looked_up_is_redrawn(kind, names, tmp_path):
    found = made(tmp_path, kind)
    vocabulary = models.vocabulary_of(found)
    built = {
        init: dict(models.build(found, init, 2, 5, vocabulary).named_parameters())
        for init in ("pretrained", "reembedded", "scratch")
    }
    moved = [n for n, weight in built["pretrained"].items() if not torch.equal(weight, built["reembedded"][n])]

    assert names == sorted(n.replace("model.model", "model") for n in moved)
    assert all(torch.equal(built["reembedded"][name], built["scratch"][name]) for name in moved)


class Altered(nn.Module):
    """A classifier with something added to its answers."""

    def __init__(self, model, alter):
        super().__init__()
        self.model, self.alter, self.config = model, alter, model.config

    @property
    def base_model(self):
        return self.model.base_model

    def forward(self, input_ids, attention_mask):
        found = self.model(input_ids=input_ids, attention_mask=attention_mask)
        found.logits = self.alter(found.logits, input_ids)
        return found


@pytest.fixture(scope="module")
def plain(checkpoint_directory):
    found = locate(str(checkpoint_directory))
    vocabulary = models.vocabulary_of(found)
    return models.build(found, "pretrained", 2, 0, vocabulary), vocabulary


def test_ids_that_reach_an_answer_beside_the_tables_leave_none_to_redraw(plain):
    model, vocabulary = plain
    kept = copy.deepcopy(model.state_dict())
    beside = Altered(model, lambda logits, ids: logits + ids.float().mean(1, keepdim=True))

    assert ["bert.embeddings.word_embeddings.weight"] == tables.token_tables(model, vocabulary)
    assert tables.token_tables(beside, vocabulary) is None
    assert all(torch.equal(weight, kept[name]) for name, weight in model.state_dict().items())


@pytest.mark.parametrize(
    ("alter", "fault"),
    [
        (
            lambda logits, _: logits + logits.sum(0),
            r"lets the rows of a batch change an answer, by [1-9][0-9]*\.\d% of what",
        ),
        (lambda logits, _: logits * float("nan"), "answers them with NaN or infinity; are its weights whole"),
        (
            lambda logits, _: logits + torch.rand(()),
            r"answers one row differently each time, by [1-9][0-9]*\.\d% of what",
        ),
        (lambda logits, _: logits + torch.rand_like(logits), "answers one row differently each time, by [1-9][0-9]*"),
        (lambda logits, _: logits * 1e-9 + 1, "answers the same whatever their symbols are; a score would be chance"),
    ],
)
def test_a_fault_of_the_answers_is_found_where_all_rows_have_one_length(plain, alter, fault):
    model, vocabulary = plain
    given = soundness.Subject(Altered(model, alter), vocabulary, "m", "formal.words", 12, 12)

    with pytest.raises(CheckpointError, match=rf"^formal\.words has rows of 12 tokens, but 'm' \(a 'bert'\) {fault}"):
        soundness.look(given)
    soundness.look(soundness.Subject(model, vocabulary, "m", "formal.words", 5, 12))


def test_a_body_that_does_not_learn_is_refused_and_one_that_is_frozen_is_not(plain):
    model, vocabulary = plain
    cut = Altered(model, lambda logits, _: logits.detach() + 0 * model.classifier.bias)
    given = soundness.Subject(cut, vocabulary, "m", "formal.words", 5, 12)

    with pytest.raises(CheckpointError, match=r"'bert'\) gives no weight but its head's a gradient$"):
        soundness.check_learning(given)
    for weight in model.base_model.parameters():
        weight.requires_grad_(requires_grad=False)
    soundness.check_learning(given)
    for weight in model.base_model.parameters():
        weight.requires_grad_(requires_grad=True)


def test_a_failure_of_the_look_is_told_in_its_own_words(checkpoint_directory):
    class Broken:
        def check(self, *_):
            raise KeyError("no such layer")

    told = local._perform(Job(locate(str(checkpoint_directory)), checks=()), Broken(), {}, None)

    assert isinstance(told, DiscbenchError)
    assert f"a worker could not look at '{checkpoint_directory.name}': KeyError: 'no such layer'" == str(told)
    assert ["", "; out of memory? try fewer --workers"] == [local._advice(code) for code in (1, -9)]


def test_the_page_of_architectures_is_of_the_tested_transformers_and_has_each_of_its_classes():
    page = (ROOT / "docs" / "families.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| `(\S+)` \| ([^|]+) \| ([^|]*) \|$", page, re.MULTILINE)
    tested = re.search(r"^transformers==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)

    assert tested[1] == transformers.__version__
    assert f"\ntransformers {tested[1]}: {len(lines)} architectures; " in page
    assert sorted(MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES) == [kind for kind, _, _ in lines]
    assert set() == {outcome for _, outcome, _ in lines} - {
        "trained", "trained on rows of one length", "trained, but for reembedded", "refused",
    }  # fmt: skip
    assert [] == [kind for kind, outcome, reason in lines if (outcome == "trained") != (not reason.strip())]
