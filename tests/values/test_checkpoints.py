"""Checkpoints are found by name, or one line says what was looked for."""

import json
import shutil
from pathlib import Path

import pytest

from discbench.errors import CheckpointError, NoSuchName
from discbench.models import building as models
from discbench.testing import tiny_checkpoint
from discbench.values.asked import Evaluation
from discbench.values.checkpoints import is_called, locate, parse_specials, told_apart


def test_a_directory_is_known_by_its_name_and_the_hash_of_its_content(checkpoint_directory, tmp_path):
    found = locate(str(checkpoint_directory))
    copy = shutil.copytree(checkpoint_directory, tmp_path / "other")

    assert ("small-bert", True) == (found.name, found.local)
    assert found.revision == locate(f"mine={copy}").revision
    assert "mine" == locate(f"mine={copy}").name
    (copy / "config.json").write_text((copy / "config.json").read_text() + " ")
    assert found.revision != locate(str(copy)).revision


def test_a_hub_id_that_cannot_be_reached_says_so():
    with pytest.raises(
        CheckpointError, match="no model 'bert-base-uncasd': it is no directory here, not in the hub cache"
    ):
        locate("bert-base-uncasd")


def test_a_commit_of_a_hub_id_is_taken_as_it_is():
    assert "a" * 40 == locate("org/model@" + "a" * 40).revision


def test_a_misspelt_builtin_is_an_error_with_the_nearest():
    with pytest.raises(NoSuchName, match="did you mean 'builtin:tiny'"):
        locate("builtin:tinny")


def test_a_directory_without_config_or_weights_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"holds no config\.json"):
        locate(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(CheckpointError, match="no weights"):
        locate(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": ')
    with pytest.raises(CheckpointError, match=r"config\.json cannot be read"):
        locate(str(tmp_path))


def test_special_ids_are_read_or_refused():
    assert {"cls": 101, "sep": 102} == parse_specials(("cls=101", "sep=102"))
    with pytest.raises(NoSuchName, match="cls=ID, sep=ID or pad=ID was expected"):
        parse_specials(("start=1",))


def test_the_vocabulary_of_bert_leaves_out_special_and_unused_ids(minilm):
    vocabulary = models.vocabulary_of(locate(str(minilm)))

    assert (30522, (101,), (102,), 0) == (vocabulary.size, vocabulary.prefix, vocabulary.suffix, vocabulary.pad)
    assert set(vocabulary.unused) == {*range(1, 100), *range(104, 999)}
    assert 30522 - 994 - 5 == len(vocabulary.regular)
    assert 999 == min(vocabulary.regular)


def test_a_checkpoint_without_tokenizer_is_served_when_its_special_ids_are_given(tmp_path):
    folder = str(tiny_checkpoint(tmp_path / "bare", tokenizer=False))

    with pytest.raises(CheckpointError, match="give them with --special cls=ID --special sep=ID --special pad=ID"):
        models.vocabulary_of(locate(folder))
    vocabulary = models.vocabulary_of(locate(folder, {"cls": 2, "sep": 3}))
    assert ((2,), (3,), 0) == (vocabulary.prefix, vocabulary.suffix, vocabulary.pad)
    assert {0, 2, 3}.isdisjoint(vocabulary.regular)


def test_a_checkpoint_without_tokenizer_is_served_when_its_config_names_the_ids(tmp_path):
    folder = tiny_checkpoint(tmp_path / "bare", model_type="roberta", tokenizer=False, bos_token_id=1, eos_token_id=2)

    vocabulary = models.vocabulary_of(locate(str(folder)))

    assert ((1,), (2,), 0) == (vocabulary.prefix, vocabulary.suffix, vocabulary.pad)


def test_the_rna_checkpoint_with_six_tokens_has_too_small_a_vocabulary_for_dna(real_data):
    found = locate(str(real_data / "checkpoints" / "rnabert"), {"cls": 1, "sep": 1, "pad": 0})

    assert (2, 3, 4, 5) == models.vocabulary_of(found).regular


def test_a_model_that_is_no_text_encoder_is_refused_by_name(tmp_path):
    folder = tiny_checkpoint(tmp_path / "image")
    (folder / "config.json").write_text(json.dumps({"model_type": "vit", "hidden_size": 16}))

    with pytest.raises(CheckpointError, match="is a 'vit', for which transformers has no sequence classifier"):
        models.load_config(locate(str(folder)))


def test_weights_that_do_not_belong_to_the_architecture_are_refused(tmp_path):
    folder = tiny_checkpoint(tmp_path / "odd")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    found = locate(str(folder))

    with pytest.raises(CheckpointError, match="16 weights of its body are not in the checkpoint, the first is"):
        models.build(found, "pretrained", 2, 0, models.vocabulary_of(found))


def test_a_broken_weights_file_is_refused(tmp_path):
    folder = tiny_checkpoint(tmp_path / "broken")
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:500])
    found = locate(str(folder))

    with pytest.raises(CheckpointError, match="cannot be loaded"):
        models.build(found, "pretrained", 2, 0, models.vocabulary_of(found))


@pytest.fixture
def swept(checkpoint_directory, tmp_path, monkeypatch):
    """A checkpoint as sweep tools write them, with `=` in its path."""
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(checkpoint_directory, tmp_path / "runs" / "lr=1e-5" / "checkpoint-500")


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("runs/lr=1e-5/checkpoint-500", "checkpoint-500"),
        ("./runs/lr=1e-5/checkpoint-500", "checkpoint-500"),
        ("mine=runs/lr=1e-5/checkpoint-500", "mine"),
        ("mine=./runs/lr=1e-5/checkpoint-500", "mine"),
        ("lr=1e-5=runs/lr=1e-5/checkpoint-500", "lr=1e-5"),
    ],
)
def test_a_path_that_exists_is_a_path_whatever_it_holds(swept, given, name):
    found = locate(given)

    assert (name, str(swept)) == (found.name, found.location)


def test_a_path_object_is_always_a_path(swept):
    models = Evaluation([Path("runs/lr=1e-5/checkpoint-500"), Path("builtin:tiny"), "builtin:tiny"]).models

    assert (str(swept), str(swept.parents[2] / "builtin:tiny"), "builtin:tiny") == models
    with pytest.raises(CheckpointError, match="there is no such directory"):
        locate(models[1])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "runs/lr=1e-5/checkpoint-600",
            (
                "model 'runs/lr=1e-5/checkpoint-600': neither this nor '1e-5/checkpoint-600' is a directory;"
                " NAME=DIRECTORY names one that is there"
            ),
        ),
        (
            "./runs/lr=1e-5/checkpoint-600",
            (
                "model './runs/lr=1e-5/checkpoint-600': there is no such directory; give one written by save_pretrained,"
                " builtin:NAME, or a Hugging Face id"
            ),
        ),
        ("mine=", "model 'mine=': give NAME=DIRECTORY, a directory, builtin:NAME or a Hugging Face id"),
        ("=runs", "model '=runs': give NAME=DIRECTORY, a directory, builtin:NAME or a Hugging Face id"),
        ("", "model '': give NAME=DIRECTORY, a directory, builtin:NAME or a Hugging Face id"),
        (
            "runs/lr=1e-5/checkpoint-500/config.json",
            (
                "model 'runs/lr=1e-5/checkpoint-500/config.json' is a file, but a checkpoint is a directory; give"
                " 'runs/lr=1e-5/checkpoint-500' if that is one"
            ),
        ),
    ],
)
def test_a_path_that_does_not_exist_is_told_as_it_was_typed(swept, given, message):
    with pytest.raises(CheckpointError) as error:
        locate(given)
    assert message == str(error.value)


def test_checkpoints_of_one_name_are_told_apart_by_digits_of_their_revisions():
    one, other, third = ("a", "sha256-11112222333344"), ("a", "sha256-1111222299"), ("b", "sha256-1111222299")

    assert {one: "a@111122223", other: "a@111122229", third: "b"} == told_apart([one, other, third, one])


@pytest.mark.parametrize("given", ["a@c", "a", "a@c@sha256-12345", "a@c@12345", "a@c@12345ff"])
def test_a_name_may_be_given_with_the_first_digits_of_its_revision(given):
    assert (given != "a") == is_called("a@c", "sha256-12345ff", given)


@pytest.mark.parametrize("given", ["a@", "a@ff", "b@12", "ab@12"])
def test_other_digits_and_none_mean_no_revision(given):
    assert not is_called("a", "sha256-12345ff", given)
